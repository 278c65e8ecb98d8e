"""OAUTHBEARER tokens, fetched as Kafka's own login callback handlers do."""

from __future__ import annotations

import base64
import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import TypeAlias

from kafka_meta.errors import KafkaMetaError
from kafka_meta.model import Secret

Fetch: TypeAlias = Callable[[], str]


class TokenProvider:
    """Fetches a token and keeps it for four fifths of its lifetime, as Java's login refresh does.

    Its methods are those of kafka-python's `AbstractTokenProvider`. `for_librdkafka` is confluent-kafka's `oauth_cb`.
    """

    def __init__(
        self, fetch: Fetch, *, extensions: Mapping[str, str] | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._fetch = fetch
        self._extensions = dict(extensions or {})
        self._clock = clock
        self._lock = Lock()
        self._token: Secret | None = None
        self._expires_s = 0.0
        self._refresh_s = 0.0

    def token(self) -> str:
        """The token as text. Raises KafkaMetaError when none can be fetched."""
        return self._current()[0].reveal()

    def extensions(self) -> dict[str, str]:
        """SASL extensions (KIP-342), such as `logicalCluster`."""
        return dict(self._extensions)

    def for_librdkafka(self, config: str) -> tuple[str, float, str, dict[str, str]]:
        """(token, seconds since 1970 when it expires, principal, extensions)."""
        token, expires_s = self._current()
        return token.reveal(), expires_s, "", self.extensions()

    def subject(self) -> str | None:
        """Whose token it is, by its claim `sub`. None where there is no token, or no such claim."""
        try:
            claimed = _claims(self.token()).get("sub")
        except (KafkaMetaError, ValueError):
            return None
        return claimed if isinstance(claimed, str) else None

    def _current(self) -> tuple[Secret, float]:
        with self._lock:
            now = self._clock()
            if self._token is None or now >= self._refresh_s:
                token = self._fetch()
                self._expires_s = _expiry_s(token)
                self._token = Secret(token)
                self._refresh_s = now + 0.8 * (self._expires_s - now)
            return self._token, self._expires_s


def _claims(token: str) -> Mapping[str, object]:
    """Raises ValueError for a text that is no JSON Web Token."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, RecursionError):
        raise ValueError("not a token") from None
    if not isinstance(claims, dict):
        raise ValueError("not a token")
    return claims


def _expiry_s(token: str) -> float:
    try:
        return float(_claims(token)["exp"])  # type: ignore[arg-type]  # another type raises TypeError
    except (KeyError, TypeError, ValueError):
        raise KafkaMetaError(
            "the OAUTHBEARER token is not a JSON Web Token with an expiry (claim exp)",
            "Kafka's clients need such a token: ask the operator of the token endpoint for JWT access tokens.",
        ) from None


def unsecured(principal: str, *, life_s: float = 3600, clock: Callable[[], float] = time.time) -> Fetch:
    """Tokens without a signature, as for `unsecuredLoginStringClaim_sub` (RFC 7515, appendix A.5)."""

    def fetch() -> str:
        now = clock()
        parts = ({"alg": "none"}, {"sub": principal, "iat": now, "exp": now + life_s})
        return ".".join(_base64url(json.dumps(part).encode()) for part in parts) + "."

    return fetch


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: it would send the client's secret to any address in the answer."""

    def redirect_request(self, *_: object) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirects)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCredentials:
    """An access token for a client's id and secret (RFC 6749, 4.4). Calling it raises KafkaMetaError."""

    url: str
    client_id: str
    client_secret: Secret
    scope: str | None = None
    urlencode: bool = False
    """Kafka's `sasl.oauthbearer.header.urlencode` (KIP-1025). RFC 6749 requires it, old endpoints do not accept it."""
    timeout_s: float = 10

    def __call__(self) -> str:
        form = {"grant_type": "client_credentials"} | ({"scope": self.scope} if self.scope else {})
        words = [self.client_id, self.client_secret.reveal()]
        pair = ":".join(map(urllib.parse.quote_plus, words) if self.urlencode else words)
        login = base64.b64encode(pair.encode()).decode()
        request = urllib.request.Request(
            self.url,
            data=urllib.parse.urlencode(form).encode(),
            headers={"Authorization": f"Basic {login}", "Accept": "application/json"},
        )
        try:
            with _OPENER.open(request, timeout=self.timeout_s) as response:
                answer = json.loads(response.read(1_000_000))
            token = answer["access_token"]
        except urllib.error.HTTPError as error:
            error.close()
            raise KafkaMetaError(
                f"the token endpoint {self.url} answered {error.code} for client {self.client_id!r}",
                "Check clientId, clientSecret and scope in the JAAS entry.",
            ) from None
        except OSError as error:
            raise KafkaMetaError(f"the token endpoint {self.url} cannot be reached: {error}") from None
        except http.client.HTTPException:
            raise KafkaMetaError(f"the token endpoint {self.url} does not speak HTTP") from None
        except (ValueError, KeyError, TypeError, RecursionError):
            raise KafkaMetaError(f"the token endpoint {self.url} did not answer with an access_token in JSON") from None
        if not isinstance(token, str):
            raise KafkaMetaError(f"the token endpoint {self.url} did not answer with an access_token in JSON")
        return token
