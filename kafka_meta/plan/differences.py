"""How a destination differs from what it ought to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from kafka_meta.model import Resource

Value: TypeAlias = str | int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """`source` is the value that the destination should have, `dest` the value that it has."""

    resource: Resource
    difference: Literal["missing", "different", "extra"]
    aspect: str | None = None
    """The part that differs: a config's name, "partitions", "replicationFactor", "offset orders-3"."""
    source: Value = None
    dest: Value = None
    reason: str | None = None
