"""Users and quotas: what is to be done about them, with which secret, and what is told to nobody."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafka_meta.apply import apply
from kafka_meta.errors import KafkaMetaError, UsageError
from kafka_meta.files import dumps, encode_plan, read_passwords, read_plan, validate, write_passwords
from kafka_meta.model import Quota, ScramCredential, Secret, Snapshot, User
from kafka_meta.plan import (
    Action,
    CreateAcl,
    Passwords,
    Plan,
    Policy,
    Result,
    SetQuota,
    UpsertUser,
    parse_hosts,
    recheck,
    report,
)
from kafka_meta.plan.scram import fits, salted, stored_key
from kafka_meta.render import plan_lines, report_lines
from tests.support.plans import planned
from tests.support.snapshots import acl, carried_out, small_snapshots, snapshot

NOBODY = Passwords()


def credential(password: str, mechanism: str = "SCRAM-SHA-256", iterations: int = 4096) -> ScramCredential:
    """As RFC 5802 (3) has it, written here a second time."""
    name = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}[mechanism]
    salt = b"\x00salt\xff"
    secret = hashlib.pbkdf2_hmac(name, password.encode(), salt, iterations)
    keys = [hmac.new(secret, text, name).digest() for text in (b"Client Key", b"Server Key")]
    return ScramCredential(
        mechanism=mechanism,
        iterations=iterations,
        salt=base64.b64encode(salt).decode(),
        stored_key=Secret(base64.b64encode(hashlib.new(name, keys[0]).digest()).decode()),
        server_key=Secret(base64.b64encode(keys[1]).decode()),
    )


def bare(mechanism: str = "SCRAM-SHA-256", iterations: int = 4096) -> ScramCredential:
    return ScramCredential(mechanism=mechanism, iterations=iterations)


def user(name: str, *credentials: ScramCredential) -> User:
    return User(name=name, credentials=credentials)


def plan_of(desired: Snapshot, actual: Snapshot, passwords: Passwords = NOBODY, policy: Policy | None = None) -> Plan:
    return planned(desired, actual, policy or Policy(), passwords=passwords)


def source(*users: User, quotas: tuple[Quota, ...] = ()) -> Snapshot:
    return snapshot(users=users, quotas=quotas)


DEST = snapshot(id="dest", version="4.3")


def reasons(plan: Plan) -> dict[str, str]:
    return {str(remark.resource): remark.reason for remark in plan.refused}


def quota(values: Mapping[str, float], **entity: str | None) -> Quota:
    return Quota(entity=entity, values=values)


# Passwords and keys.


def test_the_example_of_rfc_7677_gives_its_keys() -> None:
    """Its client proof is ClientKey xor HMAC(StoredKey, AuthMessage)."""
    nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    salt, iterations = "W22ZaJ0SNY7soEsUEjb6gQ==", 4096
    secret = salted(Secret("pencil"), "SCRAM-SHA-256", base64.b64decode(salt), iterations)
    message = f"n=user,r=rOprNGfwEbeRWgbNEkqO,r={nonce},s={salt},i={iterations},c=biws,r={nonce}"
    signature = hmac.digest(stored_key(secret, "SCRAM-SHA-256"), message.encode(), "sha256")
    client_key = hmac.digest(secret, b"Client Key", "sha256")
    proof = bytes(one ^ other for one, other in zip(client_key, signature, strict=True))
    assert base64.b64encode(proof) == b"dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_only_the_password_of_a_credential_fits_it(mechanism: str) -> None:
    exported = credential("pä ss=word", mechanism, 5000)
    assert fits(Secret("pä ss=word"), exported) is True
    assert fits(Secret("pä ss=wore"), exported) is False
    assert fits(Secret("pä ss=word"), replace(exported, iterations=5001)) is False
    assert fits(Secret("x"), bare(mechanism)) is None
    assert fits(Secret("x"), replace(exported, stored_key=Secret("no base64!"))) is False


# Users.


def test_a_user_needs_a_password_and_the_plan_says_so() -> None:
    plan = plan_of(source(user("alice", bare(), bare("SCRAM-SHA-512"))), DEST)
    assert plan.actions == ()
    assert "needs a password" in reasons(plan)["user alice"]
    assert report(plan).counts["users"]["missing"] == 1


def test_each_user_is_made_of_the_best_secret_there_is() -> None:
    exported = [user(name, credential(f"{name} pw")) for name in ("alice", "bob", "carol")]
    given = {"alice": Secret("alice pw"), "bob": Secret("wrong")}
    plan = plan_of(source(*exported), DEST, Passwords(given=given, generate=True))
    assert [(action.user, action.secret) for action in plan.actions if isinstance(action, UpsertUser)] == [
        ("alice", "passwords"),
        ("carol", "generated"),
    ]
    assert "does not fit the exported key" in reasons(plan)["user bob"]
    with_keys = plan_of(source(*exported), DEST, Passwords(given=given, generate=True, keys=True))
    assert {action.secret for action in with_keys.actions if isinstance(action, UpsertUser)} == {"key"}


def test_a_password_without_an_exported_key_is_used_and_said_to_be_unchecked() -> None:
    plan = plan_of(source(user("alice", bare())), DEST, Passwords(given={"alice": Secret("any")}))
    assert len(plan.actions) == 1
    assert "cannot be checked" in plan.warnings[0].reason


@pytest.mark.parametrize(("iterations", "taken"), [(1, 4096), (4096, 4096), (16384, 16384), (50_000, 16384)])
def test_iterations_are_fitted_to_what_brokers_take_and_found_equal_afterwards(iterations: int, taken: int) -> None:
    desired = source(user("alice", bare(iterations=iterations)))
    plan = plan_of(desired, DEST, Passwords(generate=True))
    action = UpsertUser(user="alice", mechanism="SCRAM-SHA-256", iterations=taken, secret="generated")
    assert plan.actions == (action,)
    assert len(plan.intended) == (iterations != taken)
    again = plan_of(desired, carried_out(DEST, plan.actions))
    assert (again.actions, again.drift, again.refused) == ((), (), ())
    assert report(again).verdict == "equal"


def test_a_key_is_moved_with_its_iterations_whatever_they_are() -> None:
    plan = plan_of(source(user("alice", credential("x", iterations=1))), DEST, Passwords(keys=True))
    assert plan.actions == (UpsertUser(user="alice", mechanism="SCRAM-SHA-256", iterations=1, secret="key"),)


def test_old_brokers_take_neither_passwords_nor_quotas() -> None:
    desired = source(user("alice", credential("x")), quotas=(quota({"x": 1.0}, user="alice"),))
    given = Passwords(given={"alice": Secret("x")}, generate=True)
    plan = plan_of(desired, snapshot(id="dest", version="2.5"), given)
    assert plan.actions == ()
    assert "--secrets" in reasons(plan)["user alice"]
    assert "x=1 with kafka-configs" in reasons(plan)["quota user 'alice'"]
    plan = plan_of(desired, snapshot(id="dest", version="2.5"), Passwords(keys=True))
    assert [action.secret for action in plan.actions if isinstance(action, UpsertUser)] == ["key"]
    assert len(plan_of(desired, snapshot(id="dest", version=None), given).actions) == 2


def test_users_that_exist_are_left_as_they_are() -> None:
    actual = replace(DEST, users=(user("alice", bare(iterations=8192)), user("zoe", bare())))
    plan = plan_of(source(user("alice", bare())), actual, Passwords(generate=True))
    assert plan.actions == ()
    assert [(str(each.resource), each.aspect, each.source, each.dest) for each in plan.drift] == [
        ("user alice", "SCRAM-SHA-256 iterations", 4096, 8192)
    ]
    assert [str(each.resource) for each in plan.extra] == ["user zoe"]


def test_a_password_that_cannot_be_compared_is_said() -> None:
    same = source(user("alice", credential("one password")))
    answer = report(plan_of(same, replace(DEST, users=(user("alice", bare()),))))
    assert (answer.verdict, answer.counts["users"]["equal"]) == ("equal", 1)
    assert [str(each.resource) for each in answer.warnings] == ["users"]
    assert "may have another password" in answer.warnings[0].reason
    assert report(plan_of(source(), DEST)).warnings == ()


def test_nobody_is_created_whose_deny_has_failed() -> None:
    deny = acl("DENY", "User:alice", "READ", "TOPIC t")

    class Refusing:
        def apply(self, actions: list[Action]) -> list[Result]:
            failed = [isinstance(action, CreateAcl) for action in actions]
            return [
                Result(action=action, outcome="failed" if bad else "done")
                for action, bad in zip(actions, failed, strict=True)
            ]

    desired = replace(source(user("alice", bare()), user("bob", bare())), acls=(deny,))
    plan = plan_of(desired, DEST, Passwords(generate=True))
    results = [result for result in apply(plan.actions, Refusing()) if isinstance(result, Result)]  # type: ignore[arg-type]
    outcomes = {r.action.user: r.outcome for r in results if isinstance(r.action, UpsertUser)}
    assert outcomes == {"alice": "failed", "bob": "done"}


# Quotas.


def test_missing_quotas_are_set_and_differing_ones_only_by_policy() -> None:
    desired = source(
        quotas=(
            quota({"consumer_byte_rate": 5.0, "producer_byte_rate": 1.5}, user="alice"),
            quota({"request_percentage": 50.0}, user=None, clientId=None),
        )
    )
    actual = replace(DEST, quotas=(quota({"consumer_byte_rate": 7.0, "own": 1.0}, user="alice"),))
    plan = plan_of(desired, actual)
    assert plan.actions == (
        SetQuota(entity={"user": "alice"}, values={"producer_byte_rate": 1.5}, previous={"producer_byte_rate": None}),
        SetQuota(
            entity={"user": None, "clientId": None},
            values={"request_percentage": 50.0},
            previous={"request_percentage": None},
        ),
    )
    assert [(str(each.resource), each.aspect, each.source, each.dest) for each in plan.drift] == [
        ("quota user 'alice'", "consumer_byte_rate", "5", "7")
    ]
    assert [(each.aspect, each.dest) for each in plan.extra] == [("own", "1")]
    setting = plan_of(desired, actual, policy=Policy(on_drift="set"))
    first = setting.actions[0]
    assert isinstance(first, SetQuota)
    assert first.previous == {"consumer_byte_rate": 7.0, "producer_byte_rate": None}


def test_the_default_entity_is_not_a_user_of_that_name() -> None:
    desired = source(quotas=(quota({"x": 1.0}, user=None), quota({"x": 2.0}, user="<default>")))
    lines = "\n".join(plan_lines(plan_of(desired, DEST), verbose=True))
    assert "Will set quota:default user, x=1" in lines
    assert "Will set quota:user '<default>', x=2" in lines


# The plan.


@given(small_snapshots(id="source", dest=False), small_snapshots(id="dest", dest=True), st.booleans())
def test_what_a_plan_does_about_users_and_quotas_is_found_equal_afterwards(
    desired: Snapshot, actual: Snapshot, set_drift: bool
) -> None:
    policy = Policy(only=frozenset({"users", "quotas"}), on_drift="set" if set_drift else "report")
    plan = plan_of(desired, actual, Passwords(generate=True), policy)
    done = carried_out(actual, plan.actions)
    again = plan_of(desired, done, Passwords(generate=True), policy)
    assert again.actions == ()
    assert len(again.drift) == len(plan.drift)
    still_open, broken = recheck(plan, actual)
    assert (still_open.actions, broken) == (plan.actions, ())
    nothing, broken = recheck(plan, done)
    assert (nothing.actions, broken) == ((), ())


def test_a_changed_quota_breaks_a_saved_plan() -> None:
    desired = source(quotas=(quota({"x": 5.0}, ip="10.0.0.1"),))
    plan = plan_of(desired, DEST)
    _, broken = recheck(plan, replace(DEST, quotas=(quota({"x": 6.0}, ip="10.0.0.1"),)))
    assert [remark.reason for remark in broken] == ["x was not set, now it is 6"]
    _, broken = recheck(plan, replace(DEST, quotas=None))
    assert broken


def test_rights_come_before_users_and_users_before_quotas() -> None:
    rules = (acl("ALLOW", "User:a", "READ", "TOPIC t"), acl("DENY", "User:a", "WRITE", "TOPIC t"))
    desired = replace(source(user("a", bare()), quotas=(quota({"x": 1.0}, user="a"),)), acls=rules)
    words = [
        action.acl.permission if isinstance(action, CreateAcl) else type(action).__name__
        for action in plan_of(desired, DEST, Passwords(generate=True)).actions
    ]
    assert words == ["DENY", "ALLOW", "UpsertUser", "SetQuota"]


def test_a_plan_comes_back_from_its_file_and_no_secret_is_in_it_or_on_the_screen(tmp_path: Path) -> None:
    exported = credential("open sesame")
    desired = source(user("alice", exported), quotas=(quota({"x": 0.1}, user="alice", clientId=None),))
    given = {"alice": Secret("open sesame")}
    plan = plan_of(desired, DEST, Passwords(given=given))
    document = encode_plan(plan)
    validate(document, "plan", called="plan")
    file = tmp_path / "plan.json"
    file.write_text(dumps(document))
    assert read_plan(file).actions == plan.actions
    shown = "\n".join([file.read_text(), *plan_lines(plan, verbose=True), *report_lines(report(plan), verbose=True)])
    assert exported.stored_key is not None and exported.server_key is not None
    for secret in ("open sesame", exported.stored_key.reveal(), exported.server_key.reveal()):
        assert secret not in shown + repr(plan) + repr(desired) + repr(Passwords(given=given))


# Hosts.


def test_rules_for_one_host_are_shown_for_review_or_mapped() -> None:
    bound = acl("ALLOW", "User:a", "READ", "TOPIC t", host="10.0.0.7")
    desired = snapshot(acls=[bound, acl("ALLOW", "User:a", "WRITE", "TOPIC t")])
    assert [str(remark.resource) for remark in plan_of(desired, DEST).warnings] == [
        "acl ALLOW User:a READ on TOPIC t from 10.0.0.7"
    ]
    plan = plan_of(desired, DEST, policy=Policy(hosts=parse_hosts(["10.0.0.7=10.1.0.7"])))
    created = {action.acl.host for action in plan.actions if isinstance(action, CreateAcl)}
    assert created == {"10.1.0.7", "*"}
    assert (plan.warnings, [each.reason for each in plan.intended]) == ((), ["--map-host"])


@pytest.mark.parametrize("wrong", ["a", "a=", "=b", "*=b", "a=*"])
def test_a_host_rule_that_could_widen_rights_is_refused(wrong: str) -> None:
    with pytest.raises(UsageError):
        parse_hosts([wrong])
    with pytest.raises(UsageError, match="two addresses"):
        parse_hosts(["a=b", "a=c"])


def test_super_users_of_both_sides_are_compared() -> None:
    rule = acl("ALLOW", "User:a", "READ", "TOPIC t")
    desired, actual = snapshot(acls=[rule]), snapshot(id="dest")
    theirs = replace(actual.cluster.security, super_users=("User:other",))
    plan = plan_of(desired, replace(actual, cluster=replace(actual.cluster, security=theirs)))
    (found,) = plan.drift
    assert (found.aspect, found.source, found.dest) == ("super.users", "User:admin", "User:other")
    assert found.reason == "User:admin needs ACLs on the destination; User:other may do everything on the destination"
    hidden = replace(theirs, super_users=None)
    plan = plan_of(desired, replace(actual, cluster=replace(actual.cluster, security=hidden)))
    assert "hidden by the brokers of the destination" in plan.warnings[0].reason


# Files of passwords.


def private(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(0o600)
    return path


def test_a_name_ends_at_the_first_sign_unless_a_known_name_goes_on(tmp_path: Path) -> None:
    file = private(tmp_path / "pw", "alice=a=b\r\n\n x = y \nCN=a=1=2\nü%2F=ü\n")
    found = read_passwords(file, ["alice", "CN=a", "CN"])
    assert {name: secret.reveal() for name, secret in found.items()} == {
        "alice": "a=b",
        " x ": " y ",
        "CN=a": "1=2",
        "ü%2F": "ü",
    }


@given(st.dictionaries(st.text(min_size=1).filter(lambda n: n.strip()), st.text(min_size=1), max_size=5))
def test_passwords_that_were_written_are_read_again(passwords: dict[str, str]) -> None:
    def fine(text: str) -> bool:
        return "\n" not in text and "\r" not in text and text.isprintable()

    known = {name: Secret(text) for name, text in passwords.items() if fine(name + text)}
    folder = Path(os.environ.get("TMPDIR", "."))
    file = folder / f"passwords-{os.getpid()}"
    try:
        write_passwords(file, known)
        assert file.stat().st_mode & 0o777 == 0o600
        assert read_passwords(file, known) == known
    finally:
        file.unlink(missing_ok=True)


@pytest.mark.parametrize("text", ["hush", "=hush", "alice=", "alice=hush\nalice=hush", b"alice=hush\xff"])
def test_a_broken_file_is_named_by_its_line_and_never_quoted(tmp_path: Path, text: str | bytes) -> None:
    with pytest.raises(UsageError) as caught:
        read_passwords(private(tmp_path / "pw", text), ["alice"])
    assert "pw" in caught.value.message
    assert "hush" not in caught.value.message


@given(st.binary(max_size=60))
def test_no_file_of_passwords_brings_the_reader_down(data: bytes) -> None:
    file = Path(os.environ.get("TMPDIR", ".")) / f"fuzzed-{os.getpid()}"
    try:
        private(file, data)
        try:
            read_passwords(file, ["a=b"])
        except KafkaMetaError as error:
            json.dumps(error.message)
    finally:
        file.unlink(missing_ok=True)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o610])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    file = private(tmp_path / "pw", "alice=x")
    file.chmod(mode)
    with pytest.raises(UsageError, match="other users may read"):
        read_passwords(file, ["alice"])


def test_a_pipe_is_no_file_of_passwords_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(UsageError, match="is not a file"):
        read_passwords(tmp_path / "pipe", [])
    with pytest.raises(KafkaMetaError, match="cannot read"):
        read_passwords(tmp_path / "none", [])
