"""Configs of topics, brokers, groups and client metrics. Brokers return null for sensitive values."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from kafka.protocol.admin import DescribeConfigsRequest, IncrementalAlterConfigsRequest, ListConfigResourcesRequest

from kafka_meta.model import Gap, OtherConfigs, Remark, Resource, ResourceType
from kafka_meta.wire.connection import Unanswered, Wire, error_text, outcome

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
    for position, answer in wire.ask_each(requests, elsewhere=True):
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


_TYPES: Mapping[ResourceType, int] = {"CLIENT_METRICS": 16, "GROUP": 32, "BROKER": _BROKER}
"""org.apache.kafka.common.config.ConfigResource.Type."""
_ON_ITSELF = frozenset({3, 7, 8})
"""ConfigSource: dynamic configs of all brokers, of client metrics, and of groups."""
_SET = 0
"""org.apache.kafka.clients.admin.AlterConfigOp.OpType."""
_GROUPS_HAVE_SOME = (4, 0)
"""KIP-848. They are listed since 4.1 (KIP-1142)."""
_ALL_BROKERS = ""
_DYNAMIC_SINCE = (1, 1)
"""KIP-226."""


def other_configs(wire: Wire, groups: Collection[str] = ()) -> tuple[tuple[OtherConfigs, ...] | None, tuple[Gap, ...]]:
    """The configs that are set at run time on all brokers, client metrics and groups (since 1.1, 3.7, 4.0), as far as
    the brokers return them. None when they could not be read.

    `groups` are those that may have some. Brokers of 4.0 do not list the groups that have configs.
    """
    gaps: list[Gap] = []
    found: list[OtherConfigs] = []
    try:
        for kind, names in _with_configs(wire, groups).items():
            for name, configs in _set_on(wire, kind, sorted(names)):
                made = OtherConfigs(resource_type=kind, name=name, configs={})
                if isinstance(configs, Unanswered):
                    gaps.append(Remark(resource=made.resource, reason=configs.reason))
                elif configs:
                    found.append(replace(made, configs=configs))
    except Unanswered as silence:
        return None, (Remark(resource=Resource("other configs"), reason=silence.reason),)
    return tuple(sorted(found, key=lambda each: (each.resource_type, each.name))), tuple(gaps)


def _with_configs(wire: Wire, groups: Collection[str]) -> dict[ResourceType, Collection[str]]:
    """The names of the resources that may have configs. Raises `Unanswered`."""
    names: dict[ResourceType, Collection[str]] = {}
    if wire.release is None or wire.release >= _DYNAMIC_SINCE:
        names["BROKER"] = [_ALL_BROKERS]
    if not wire.speaks(ListConfigResourcesRequest):
        return names
    lists_groups = wire.speaks(ListConfigResourcesRequest, 1)
    kinds: list[ResourceType] = ["CLIENT_METRICS", "GROUP"] if lists_groups else ["CLIENT_METRICS"]
    answer = wire.ask(ListConfigResourcesRequest(resource_types=[_TYPES[kind] for kind in kinds]))
    if answer.error_code:
        raise Unanswered(error_text(answer.error_code))
    for kind in kinds:
        told = (each for each in answer.config_resources if each.resource_type == _TYPES[kind])
        names[kind] = [each.resource_name for each in told]
    if not lists_groups and wire.release is not None and wire.release >= _GROUPS_HAVE_SOME:
        names["GROUP"] = groups
    return names


def _set_on(wire: Wire, kind: ResourceType, names: Sequence[str]) -> Iterator[tuple[str, dict[str, str] | Unanswered]]:
    """Each resource with the configs that are set on it, without sensitive ones. Raises `Unanswered`."""
    for start in range(0, len(names), _TOPICS_A_REQUEST):
        answer = wire.ask(_request(_TYPES[kind], names[start : start + _TOPICS_A_REQUEST]))
        for told in answer.results:
            if told.error_code:
                yield told.resource_name, Unanswered(error_text(told.error_code, told.error_message))
                continue
            own = (entry for entry in told.configs if entry.config_source in _ON_ITSELF and not entry.is_sensitive)
            yield told.resource_name, {entry.name: entry.value for entry in own if entry.value is not None}


def set_configs(wire: Wire, changes: Sequence[OtherConfigs]) -> list[Unanswered | None]:
    """For each resource, in order: None when these configs are set now, else why not. Each resource once. Raises
    `Unanswered`."""
    request = IncrementalAlterConfigsRequest
    resource = request.AlterConfigsResource
    resources = [
        resource(
            resource_type=_TYPES[change.resource_type],
            resource_name=change.name,
            configs=[
                resource.AlterableConfig(name=name, config_operation=_SET, value=value)
                for name, value in sorted(change.configs.items())
            ],
        )
        for change in changes
    ]
    answer = wire.ask(request(resources=resources, validate_only=False))
    told = {(each.resource_type, each.resource_name): each for each in answer.responses}
    return [outcome(told.get((_TYPES[change.resource_type], change.name))) for change in changes]


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
