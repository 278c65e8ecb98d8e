"""Whether a log is the one that was read, from where its leader says that an epoch ends."""

from __future__ import annotations

import pytest

from kafka_meta.logs.history import Cut, Mark, Untold, compared
from kafka_meta.wire.partitions import EpochEnd, Failure

READ = Mark(offset=150, epoch=3)


@pytest.mark.parametrize(
    "told",
    [
        EpochEnd(epoch=3, offset=150),  # another leader began there
        EpochEnd(epoch=3, offset=900),  # and went on in the same epoch
        EpochEnd(epoch=-1, offset=150),  # before 2.0 no epoch is told
    ],
)
def test_an_epoch_that_ends_behind_what_was_read_is_the_one_that_was_read(told: EpochEnd) -> None:
    assert compared(READ, told) is None


@pytest.mark.parametrize("told", [EpochEnd(epoch=3, offset=100), EpochEnd(epoch=2, offset=100)])
def test_an_epoch_that_ends_before_what_was_read_was_cut_back(told: EpochEnd) -> None:
    cut = compared(READ, told)
    assert cut == Cut(100, 150)
    assert isinstance(cut, Cut)
    assert cut.reason == "the source's log was cut back to offset 100, offsets 100–150 had been copied"


@pytest.mark.parametrize(
    "told",
    [
        EpochEnd(epoch=-1, offset=-1),  # an old message format has no epochs
        EpochEnd(epoch=2, offset=200),  # all of the epoch is gone: compaction, or two unclean elections
        Failure(reason="CLUSTER_AUTHORIZATION_FAILED", retriable=False),
    ],
)
def test_what_does_not_decide_is_unknown_and_neither_equal_nor_cut_back(told: EpochEnd | Failure) -> None:
    assert isinstance(compared(READ, told), Untold)


def test_what_passes_is_asked_again() -> None:
    fenced = Failure(reason="FENCED_LEADER_EPOCH", retriable=True)
    assert compared(READ, fenced) is fenced
