"""What a month costs: line by line, the most it can come to, and how two prices differ where some lines are unknown."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from kafka_meta.quantities import convert
from kafka_meta.sizing.catalogues import DiskType, PriceItem, Row, Source
from kafka_meta.sizing.needs import Figure, Needs

HOURS_PER_MONTH = 730


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceLine:
    """One line of a month's price: `quantity` × `unit_price` ÷ `per` = `amount`. `amount` is None where the quantity
    is not known or the price is not in the catalogue; `at_most` is then its bound, if it has one."""

    item: str
    sold_by: str
    """The catalogue's name of the quantity, such as "disk"."""
    quantity: float | None
    unit: str | None
    unit_price: float | None
    per: float
    amount: float | None
    at_most: float | None
    source: Source

    @property
    def unknown(self) -> tuple[object, ...] | None:
        """What two rows must have in common for this unknown amount to be the same for both; None: it never is."""
        if self.quantity is None and self.sold_by != "dataIn":
            return None  # how much is bought differs from row to row
        return self.item, self.sold_by, self.quantity, self.unit_price, self.per


Amount: TypeAlias = tuple[float | str | None, str | None]
"""How much, and in which unit; None: not known."""


def price_lines(
    row: Row, needs: Needs, units: int, kind: DiskType | None, bought: Mapping[str, Amount]
) -> tuple[PriceLine, ...]:
    """`bought`: what is bought of the row, by the catalogue's names."""
    quantities: dict[str, Amount] = {
        **bought,
        "units": (units, None),
        "unitHours": (units * HOURS_PER_MONTH, "hours"),
        "dataIn": (_data_in(needs.average_write), "GiB"),
    }
    lines = []
    for price in row.prices:
        if price.when is not None and (kind is None or price.when != kind.name):
            continue
        quantity, unit = quantities.get(price.quantity, (0, None))
        if quantity == 0:
            continue
        number = quantity if isinstance(quantity, float | int) else None
        # What is written on average is not more than what is written at the peak.
        most = _data_in(needs.write) if price.quantity == "dataIn" and number is None else number
        lines.append(
            PriceLine(
                item=price.item,
                sold_by=price.quantity,
                quantity=number,
                unit=unit,
                unit_price=price.amount,
                per=price.per,
                amount=_amount(price, number),
                at_most=_amount(price, most),
                source=price.source,
            )
        )
    return tuple(lines)


def _amount(price: PriceItem, quantity: float | None) -> float | None:
    return None if quantity is None or price.amount is None else round(price.amount * quantity / price.per, 2)


def _data_in(rate: Figure | None) -> float | None:
    """GiB a month."""
    return None if rate is None else convert(rate.value, "MB/s", "MiB/s") * 3600 * HOURS_PER_MONTH / 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceDifference:
    """How much more one candidate costs than another: from `least` to `most`, which may be infinite."""

    least: float
    most: float

    @property
    def is_exact(self) -> bool:
        return self.least == self.most


def difference(ones: Iterable[PriceLine], others: Iterable[PriceLine]) -> PriceDifference:
    """`ones` minus `others`. Lines that are unknown in both in the same way cost the same in both, and do not count."""
    (known, unknown), (known_there, unknown_there) = _sorted(ones), _sorted(others)
    shared = unknown.keys() & unknown_there.keys() - {None}
    between = known - known_there
    return PriceDifference(
        least=round(between - _most(unknown_there, shared), 2), most=round(between + _most(unknown, shared), 2)
    )


def _sorted(lines: Iterable[PriceLine]) -> tuple[float, dict[tuple[object, ...] | None, list[PriceLine]]]:
    """The sum of what is known, and the unknown lines by what makes them comparable."""
    known = 0.0
    unknown: dict[tuple[object, ...] | None, list[PriceLine]] = {}
    for line in lines:
        if line.amount is not None:
            known += line.amount
        else:
            unknown.setdefault(line.unknown, []).append(line)
    return known, unknown


def _most(
    unknown: Mapping[tuple[object, ...] | None, list[PriceLine]], shared: Collection[tuple[object, ...] | None]
) -> float:
    lines = [line for key, group in unknown.items() if key not in shared for line in group]
    return sum(math.inf if line.at_most is None else line.at_most for line in lines)
