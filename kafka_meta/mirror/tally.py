"""What a copy counts of itself, for the endpoint of metrics. One thread writes; others read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Tally:
    """Since the process began."""

    settlements: int = 0
    """Partitions whose position was read again from the destination."""
    lost_offsets: int = 0
    """Offsets that the source has deleted before they were copied."""
    refusals: Counter[str] = field(default_factory=Counter)
    """Kafka's name of an error → batches that the destination has refused with it."""
    rounds: int = 0
    """Transactions of the journal."""
    round_seconds: float = 0.0
    """How long they have taken together."""
