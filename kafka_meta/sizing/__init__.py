"""What a destination has to be bought or built: needs, catalogues, and the cheapest row that carries them.

    needs = Needs.from_flags(...).over(Needs.from_stats(stats))
    evaluate(needs, catalogue, POLICIES["minimal"], today=...) → Recommendation
    survey(needs, catalogues, "minimal", today=...) → Survey: a Recommendation of every catalogue, under every policy

Pure: no client, no clock. The one thing read is the catalogues that ship inside the package.
"""

from kafka_meta.sizing.candidates import Candidate, Quantity
from kafka_meta.sizing.catalogues import Catalogue, Source, read_catalogue, shipped
from kafka_meta.sizing.constraints import Constraint
from kafka_meta.sizing.evaluation import Alternative, Recommendation, evaluate
from kafka_meta.sizing.needs import FEATURES, Confidence, Figure, Method, Needs, Word
from kafka_meta.sizing.policies import MINIMAL, POLICIES, Policy
from kafka_meta.sizing.prices import PriceLine
from kafka_meta.sizing.survey import Survey, survey

__all__ = [
    "FEATURES",
    "MINIMAL",
    "POLICIES",
    "Alternative",
    "Candidate",
    "Catalogue",
    "Confidence",
    "Constraint",
    "Figure",
    "Method",
    "Needs",
    "Policy",
    "PriceLine",
    "Quantity",
    "Recommendation",
    "Source",
    "Survey",
    "Word",
    "evaluate",
    "read_catalogue",
    "shipped",
    "survey",
]
