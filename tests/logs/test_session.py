"""What a fetch session names, by the answers that it gets."""

from __future__ import annotations

from kafka_meta.logs.session import Session
from kafka_meta.wire import Place
from kafka_meta.wire.fetch import Fetched, SessionAnswer, SessionFetch, Wanted


def wanted(partition: int, offset: int = 5) -> Wanted:
    return Wanted(topic="t", partition=partition, offset=offset, max_bytes=1)


def fetched(partition: int) -> Fetched:
    return Fetched(topic="t", partition=partition, error_code=0, aborted=(), records=memoryview(b"records"))


def told(session_id: int, *partitions: int, error_code: int = 0) -> SessionAnswer:
    return SessionAnswer(error_code=error_code, session_id=session_id, fetched=[fetched(each) for each in partitions])


def places(request: SessionFetch) -> list[Place]:
    return sorted((each.topic, each.partition) for each in request.wanted)


def begun(count: int) -> Session:
    """The broker remembers so many partitions as session 7."""
    session = Session()
    for partition in range(count):
        session.add(wanted(partition))
    session.request(1)
    session.answered(told(7))
    return session


ALL = [("t", 0), ("t", 1), ("t", 2)]


def test_the_first_request_names_all_and_the_next_one_only_what_has_changed() -> None:
    session = Session()
    for partition in range(3):
        session.add(wanted(partition))
    first = session.request(1)
    assert (first.session_id, first.epoch, places(first)) == (0, 0, ALL)
    session.answered(told(7))
    second = session.request(1)
    assert (second.session_id, second.epoch, places(second), second.forgotten) == (7, 1, [], ())
    session.answered(told(7))
    session.add(wanted(1, 9))
    session.discard(("t", 2))
    third = session.request(1)
    assert (third.epoch, third.wanted, third.forgotten) == (2, [wanted(1, 9)], (("t", 2),))


def test_a_partition_that_leaves_and_comes_back_between_two_requests_is_not_forgotten() -> None:
    session = begun(3)
    session.discard(("t", 1))
    session.add(wanted(1, 9))
    request = session.request(1)
    assert (request.wanted, request.forgotten) == ([wanted(1, 9)], ())


def test_records_of_a_partition_that_has_changed_or_left_since_the_request_are_not_taken() -> None:
    session = begun(3)
    session.request(1)
    session.add(wanted(0, 9))
    session.discard(("t", 1))
    assert session.answered(told(7, 0, 1, 2)) == [fetched(2)]


def test_a_broker_that_remembers_nothing_gets_all_of_them_each_time() -> None:
    session = begun(3)
    session.answered(told(0))
    for _ in range(2):
        request = session.request(1)
        assert (request.session_id, request.epoch, places(request)) == (0, 0, ALL)
        session.answered(told(0))


def test_a_session_that_is_gone_is_replaced_and_one_that_is_out_of_step_is_ended_first() -> None:
    for code, ended in ((70, 0), (71, 7)):  # FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH
        session = begun(3)
        session.request(1)
        assert session.answered(told(0, error_code=code)) == []
        request = session.request(1)
        assert (request.session_id, request.epoch, places(request)) == (ended, 0, ALL)


def test_after_a_lost_answer_another_session_begins_and_what_was_forgotten_is_not_in_it() -> None:
    session = begun(3)
    session.discard(("t", 0))
    session.request(1)
    session.lost()
    session.discard(("t", 1))
    request = session.request(1)
    assert (request.session_id, request.epoch, places(request), request.forgotten) == (7, 0, [("t", 2)], ())


def test_epochs_begin_again_at_one() -> None:
    session = begun(1)
    session._epoch = 2**31 - 1
    session.answered(told(7))
    assert session.request(1).epoch == 1
