"""What a destination has to be bought or built: needs, catalogues, and the cheapest row that carries them.

    needs = Needs.from_flags(...).over(Needs.from_stats(stats))
    evaluate(needs, catalogue, POLICIES["minimal"], today=...) → Recommendation → as_document

Pure: no client, no clock. The one thing read is the catalogues that ship inside the package.
"""

from kafka_meta.sizing.candidates import Candidate, PriceLine, Quantity
from kafka_meta.sizing.catalogues import Catalogue, Source, read_catalogue, shipped
from kafka_meta.sizing.constraints import Constraint
from kafka_meta.sizing.document import as_document
from kafka_meta.sizing.evaluation import Alternative, Recommendation, evaluate
from kafka_meta.sizing.needs import FEATURES, Confidence, Figure, Method, Needs, Word
from kafka_meta.sizing.policies import MINIMAL, POLICIES, Policy

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
    "Word",
    "as_document",
    "evaluate",
    "read_catalogue",
    "shipped",
]
