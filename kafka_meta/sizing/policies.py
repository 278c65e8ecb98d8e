"""How much more than the need is asked of a destination. The names are the ones of `--policy`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

VENDOR_HEADROOM = 1.3
"""Alibaba, BytePlus and Huawei all advise to buy about 30 % above the peak (Alibaba: Billing, 2021-06-28)."""

OWN_SAFE_UTILISATION = 0.7
"""Used by `safe` where a vendor publishes no share of its own: kafka-meta's choice, never called a vendor's limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """`disk_fill` replaces the catalogue's share of a disk that data may fill. `preferences` asks for what no vendor
    has as a rule: dedicated machines for business messages or low latency, several zones for business messages."""

    name: str
    traffic_headroom: float = 1.0
    safe_utilisation: bool = False
    preferences: bool = False
    disk_fill: float | None = None

    def __post_init__(self) -> None:
        if self.traffic_headroom < 1:
            raise ValueError(f"traffic headroom {self.traffic_headroom} is below 1")
        if self.disk_fill is not None and not 0 < self.disk_fill <= 1:
            raise ValueError(f"disk fill {self.disk_fill} is not above 0 and at most 1")


MINIMAL = Policy(name="minimal")
POLICIES: Mapping[str, Policy] = {
    policy.name: policy
    for policy in (
        MINIMAL,
        Policy(name="vendor", traffic_headroom=VENDOR_HEADROOM),
        Policy(name="safe", safe_utilisation=True, preferences=True),
    )
}
