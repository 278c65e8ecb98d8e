"""A recommendation as the JSON document of schemas/recommendation.schema.json."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kafka_meta.model import Remark, camel
from kafka_meta.sizing.candidates import Candidate
from kafka_meta.sizing.catalogues import Source
from kafka_meta.sizing.constraints import Constraint
from kafka_meta.sizing.evaluation import Recommendation, describe
from kafka_meta.sizing.needs import NEED_UNITS, Figure, Needs, Word
from kafka_meta.sizing.prices import PriceLine
from kafka_meta.sizing.survey import Survey

KIND = "kafka-meta-recommendation"


def encode_recommendations(found: Survey) -> dict[str, Any]:
    """All of a survey, as the document of schemas/recommendations.schema.json."""
    return {
        "kind": "kafka-meta-recommendations",
        "schemaVersion": "1.0",
        "policy": found.policy,
        "complete": found.complete,
        "recommendations": [encode_recommendation(each.chosen, each.others) for each in found.assessments],
        "refused": [{"provider": each.provider, "message": each.message} for each in found.refused],
    }


def encode_recommendation(recommendation: Recommendation, others: Iterable[Recommendation] = ()) -> dict[str, Any]:
    """`others`: what the same needs come to under other policies, of the same catalogue."""
    choice, catalogue = recommendation.choice, recommendation.catalogue
    nearest = recommendation.nearest
    shown = [choice] if choice is not None else []
    shown += [alternative.candidate for alternative in recommendation.alternatives]
    sources = {source.id: source for candidate in shown for source in candidate.sources}
    return {
        "kind": KIND,
        "schemaVersion": "1.0",
        "provider": catalogue.provider,
        "title": catalogue.title,
        "region": catalogue.region,
        "policy": recommendation.policy.name,
        "catalogVersion": catalogue.as_of.isoformat(),
        "catalogIsOld": recommendation.catalogue_is_old,
        "currency": catalogue.currency,
        "complete": recommendation.complete,
        "missing": [camel(name) for name in recommendation.missing],
        "unpriced": list(recommendation.unpriced),
        "needs": _needs(recommendation.needs),
        "recommendation": None if choice is None else _candidate(choice, catalogue.currency),
        "chosenBy": recommendation.chosen_by,
        "nearest": None
        if nearest is None
        else {
            **_candidate(nearest, catalogue.currency),
            "reasons": [describe(constraint) for constraint in nearest.failures],
        },
        "constraints": [] if choice is None else [_constraint(constraint) for constraint in choice.constraints],
        "binding": None if recommendation.binding is None else recommendation.binding.name,
        "otherPolicies": [
            {
                "policy": other.policy.name,
                "recommendation": None if other.choice is None else _candidate(other.choice, catalogue.currency),
            }
            for other in others
        ],
        "alternatives": [
            {
                **_candidate(alternative.candidate, catalogue.currency),
                "fits": alternative.candidate.fits,
                "role": alternative.role,
                "mayCostLess": alternative.may_cost_less,
                "reasons": list(alternative.reasons),
            }
            for alternative in recommendation.alternatives
        ],
        "warnings": _remarks(recommendation.warnings),
        "notes": list(catalogue.notes),
        "sources": {name: _source(source) for name, source in sorted(sources.items())},
    }


def _needs(needs: Needs) -> dict[str, Any]:
    known: dict[str, Any] = {}
    for name in NEED_UNITS:
        known[camel(name)] = _figure(getattr(needs, name))
    for name in ("server_version", "ssd", "scenario", "latency", "idc_migration"):
        known[camel(name)] = _word(getattr(needs, name))
    known["features"] = None if needs.features is None else dict(needs.features)
    return known


def _figure(figure: Figure | None) -> dict[str, Any] | None:
    if figure is None:
        return None
    return {
        "value": _number(figure.value),
        "unit": figure.unit,
        "stat": figure.stat,
        "window": figure.window,
        "method": figure.method,
        "confidence": figure.confidence,
    }


def _word(word: Word | None) -> dict[str, Any] | None:
    return None if word is None else {"value": word.value, "method": word.method}


def _candidate(candidate: Candidate, currency: str | None) -> dict[str, Any]:
    return {
        "spec": candidate.row.spec,
        "edition": candidate.row.edition.name,
        "editionTitle": candidate.row.edition.title,
        "quantities": {q.name: {"value": _number(q.value), "unit": q.unit} for q in candidate.quantities},
        "unit": candidate.row.edition.unit,
        "monthlyPrice": candidate.monthly_price,
        "monthlyPriceAtMost": candidate.monthly_price_at_most,
        "priceIsComplete": candidate.price_is_complete,
        "currency": None if candidate.monthly_price is None else currency,
        "prices": [_price(line) for line in candidate.prices],
    }


def _price(line: PriceLine) -> dict[str, Any]:
    return {
        "item": line.item,
        "quantity": _number(line.quantity),
        "unit": line.unit,
        "unitPrice": line.unit_price,
        "per": _number(line.per),
        "amount": line.amount,
        "amountAtMost": line.at_most,
        "source": line.source.id,
        "asOf": line.source.as_of.isoformat(),
    }


def _constraint(constraint: Constraint) -> dict[str, Any]:
    return {
        "name": constraint.name,
        "kind": constraint.kind,
        "need": _number(constraint.need),
        "capacity": _number(constraint.capacity),
        "unit": constraint.unit,
        "utilisation": _number(constraint.utilisation),
        "ok": constraint.ok,
        "why": constraint.why,
        "source": None if constraint.source is None else constraint.source.id,
        "asOf": None if constraint.source is None else constraint.source.as_of.isoformat(),
    }


def _source(source: Source) -> dict[str, Any]:
    return {"title": source.title, "url": source.url, "asOf": source.as_of.isoformat(), "note": source.note}


def _remarks(remarks: Iterable[Remark]) -> list[dict[str, str]]:
    return [{"resource": str(remark.resource), "reason": remark.reason} for remark in remarks]


def _number(value: float | str | None) -> float | int | str | None:
    """Six decimals are finer than any figure here; whole numbers are written as such."""
    if not isinstance(value, float):
        return value
    rounded = round(value, 6)
    return int(rounded) if rounded.is_integer() else rounded
