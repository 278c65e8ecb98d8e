"""The same needs against several catalogues, and under every policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from kafka_meta.errors import UsageError
from kafka_meta.sizing.catalogues import Catalogue
from kafka_meta.sizing.evaluation import Recommendation, evaluate
from kafka_meta.sizing.needs import Needs
from kafka_meta.sizing.policies import POLICIES


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """Of one catalogue: the recommendation that was asked for, and what other policies come to."""

    chosen: Recommendation
    others: tuple[Recommendation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A catalogue that cannot be compared with the needs, and why."""

    provider: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    policy: str
    assessments: tuple[Assessment, ...]
    refused: tuple[Refused, ...]

    @property
    def complete(self) -> bool:
        """Something carries the needs, nothing that matters to it is unknown or without a price, and every catalogue
        could be compared. A vendor who carries none of it is an answer."""
        found = [each.chosen for each in self.assessments if each.chosen.choice is not None]
        return bool(found) and not self.refused and all(each.complete for each in found)


def survey(needs: Needs, catalogues: Sequence[Catalogue], policy: str, *, today: date) -> Survey:
    """Raises KafkaMetaError when there is nothing to size, or when the only catalogue cannot be compared."""
    others = [each for name, each in POLICIES.items() if name != policy]
    assessments: list[Assessment] = []
    refused: list[Refused] = []
    for catalogue in catalogues:
        try:
            chosen, *rest = (evaluate(needs, catalogue, each, today=today) for each in (POLICIES[policy], *others))
        except UsageError as error:
            if len(catalogues) == 1:
                raise
            refused.append(Refused(provider=catalogue.provider, message=error.message))
        else:
            assessments.append(Assessment(chosen=chosen, others=tuple(rest)))
    return Survey(policy=policy, assessments=tuple(assessments), refused=tuple(refused))
