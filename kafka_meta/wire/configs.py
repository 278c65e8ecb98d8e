"""Configs of topics and brokers. Brokers return null for sensitive values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from kafka.protocol.admin import DescribeConfigsRequest, ListConfigResourcesRequest

from kafka_meta.wire.connection import Unanswered, Wire, error_text

Origin: TypeAlias = Literal["topic", "broker", "brokers", "file", "default", "unknown"]

_TOPIC, _BROKER = 2, 4
_ORIGINS: Mapping[int, Origin] = {1: "topic", 2: "broker", 3: "brokers", 4: "file", 5: "default"}
"""org.apache.kafka.clients.admin.ConfigEntry.ConfigSource: set on the topic, dynamically on one broker or on all
brokers, in `server.properties`, nowhere."""

_TOPICS_A_REQUEST = 200
"""An answer has some 35 entries a topic; smaller answers keep memory low and progress visible."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    value: str | None
    origin: Origin
    sensitive: bool


def overrides(wire: Wire, topics: Sequence[str]) -> Iterator[tuple[str, dict[str, str] | Unanswered]]:
    """Each topic with the configs that are set on it, or with the reason why they are not known; in no order.

    Synonyms and documentation are not requested. So kafka-python's decoder needs a third of librdkafka's time:
    librdkafka always requests synonyms and makes an object of each.
    """
    ids = wire.broker_ids
    chunks = [topics[start : start + _TOPICS_A_REQUEST] for start in range(0, len(topics), _TOPICS_A_REQUEST)]
    requests = [(ids[number % len(ids)], _request(_TOPIC, chunk)) for number, chunk in enumerate(chunks)]
    for position, answer in wire.ask_each(requests):
        if isinstance(answer, Unanswered):
            yield from ((topic, answer) for topic in chunks[position])
            continue
        for told in answer.results:
            if told.error_code:
                yield told.resource_name, Unanswered(error_text(told.error_code, told.error_message))
            else:
                yield (
                    told.resource_name,
                    {
                        entry.name: entry.value
                        for entry in told.configs
                        if _origin(entry, answer.version) == "topic"
                        and not entry.is_sensitive
                        and entry.value is not None
                    },
                )


def effective(
    wire: Wire, topics: Sequence[str], names: Sequence[str]
) -> Iterator[tuple[str, dict[str, str] | Unanswered]]:
    """Each topic with the effective values of these configs, wherever they are set; in no order."""
    chunks = [topics[start : start + _TOPICS_A_REQUEST] for start in range(0, len(topics), _TOPICS_A_REQUEST)]
    for position, answer in wire.ask_each([(None, _request(_TOPIC, chunk, names)) for chunk in chunks]):
        if isinstance(answer, Unanswered):
            yield from ((topic, answer) for topic in chunks[position])
            continue
        for told in answer.results:
            if told.error_code:
                yield told.resource_name, Unanswered(error_text(told.error_code, told.error_message))
            else:
                yield told.resource_name, {each.name: each.value for each in told.configs if each.value is not None}


def other_configs(wire: Wire) -> tuple[tuple[str, str], ...]:
    """(kind, name) of groups and client metrics with configs (since 4.1, 3.7); empty when brokers do not return
    them."""
    kinds = {16: "client metrics", 32: "group"}
    try:
        answer = wire.ask(ListConfigResourcesRequest(resource_types=list(kinds)))
    except Unanswered:
        return ()
    return tuple(
        sorted((kinds[told.resource_type], told.resource_name) for told in answer.config_resources)
        if answer.error_code == 0
        else ()
    )


def broker_configs(wire: Wire) -> dict[int, dict[str, Config] | Unanswered]:
    """Each broker's effective configs. A config that the broker does not know, such as an authorizer's, is
    sensitive."""
    ids = wire.broker_ids
    answers = wire.ask_all([(broker, _request(_BROKER, [str(broker)])) for broker in ids])
    return {broker: _broker(answer) for broker, answer in zip(ids, answers, strict=True)}


def _broker(answer: Any) -> dict[str, Config] | Unanswered:
    if isinstance(answer, Unanswered):
        return answer
    (told,) = answer.results
    if told.error_code:
        return Unanswered(error_text(told.error_code, told.error_message))
    return {
        entry.name: Config(value=entry.value, origin=_origin(entry, answer.version), sensitive=bool(entry.is_sensitive))
        for entry in told.configs
    }


def _request(kind: int, names: Sequence[str], configs: Sequence[str] | None = None) -> Any:
    resource = DescribeConfigsRequest.DescribeConfigsResource
    return DescribeConfigsRequest(
        resources=[resource(resource_type=kind, resource_name=name, configuration_keys=configs) for name in names],
        include_synonyms=False,
    )


def _origin(entry: Any, version: int) -> Origin:
    """Version 0 (0.11, 1.0) returns only whether a value is the default. For a topic this is the broker's value."""
    if version == 0:
        return "default" if entry.is_default else "topic"
    return _ORIGINS.get(entry.config_source, "unknown")
