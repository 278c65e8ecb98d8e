"""The login to ZooKeeper, by the example that RFC 2831 works out (section 4); real servers are in test_zookeeper."""

from __future__ import annotations

import pytest

from kafka_meta.model import Secret
from kafka_meta.zookeeper.login import answer, directives

CHALLENGE = (
    b'realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",qop="auth",algorithm=md5-sess,charset=utf-8'  # section 4
)
SAID = (
    b'charset=utf-8,username="chris",realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",nc=00000001,'
    b'cnonce="OA6MHXh6VqTrRk",digest-uri="imap/elwood.innosoft.com",response=d388dad90d4bbd760a152321f2143af7,qop=auth'
)


def test_the_answer_is_that_of_the_rfc() -> None:
    said, expected = answer(CHALLENGE, "chris", Secret("secret"), b"imap/elwood.innosoft.com", b"OA6MHXh6VqTrRk")
    assert said == SAID
    assert expected == b"ea40f60335c427b5527b84dbabcdfffd"


def test_quoted_values_are_read_and_written() -> None:
    challenge = rb'nonce = "a\"b\\,c" , qop="auth-int, auth",algorithm=md5-sess,realm="one",realm="two"'
    assert directives(challenge) == {
        "nonce": rb'a"b\,c',
        "qop": b"auth-int, auth",
        "algorithm": b"md5-sess",
        "realm": b"one",
    }
    said, _ = answer(challenge, 'ch"ris', Secret("s"), b"u", b"c")
    assert rb'username="ch\"ris",realm="one",nonce="a\"b\\,c"' in said


@pytest.mark.parametrize(
    "challenge",
    [b"", b"rspauth=1", b'nonce="n"', b'nonce="n",algorithm=md5', b'nonce="n",algorithm=md5-sess,qop="auth-conf"'],
)
def test_what_is_no_challenge_is_not_answered(challenge: bytes) -> None:
    with pytest.raises(ValueError, match=r"challenge|quality"):
        answer(challenge, "chris", Secret("secret"), b"u", b"c")
