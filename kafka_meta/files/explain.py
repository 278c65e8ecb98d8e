"""Why a document does not follow its schema, in words and with the place. `schemas` imports it only for that."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match
from jsonschema.validators import extend

from kafka_meta.files.text import json_path, short


def _pattern(validator: Any, pattern: str, instance: object, schema: object) -> Iterator[ValidationError]:
    """Python's $ also matches before a line break at the end. That of JSON Schema (ECMA 262) does not."""
    if isinstance(instance, str) and not re.search(pattern.replace("$", r"\Z"), instance):
        yield ValidationError("pattern")


# 5.0 is an integer for JSON Schema, but Kafka's clients do not accept it as a partition or an offset.
_TYPES = Draft202012Validator.TYPE_CHECKER.redefine(
    "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
)
_Validator = extend(Draft202012Validator, {"pattern": _pattern}, type_checker=_TYPES)  # type: ignore[no-untyped-call]


def explain(document: object, schema: Mapping[str, Any]) -> str | None:
    """The first thing in the document that does not follow the schema, after its JSON path. None where jsonschema finds
    nothing wrong."""
    first = next(_Validator(schema).iter_errors(document), None)
    if first is None:
        return None
    error = best_match([first]) or first
    path = list(error.absolute_path)
    # Users' credentials are never shown, even where they are wrong.
    value = "the value" if path[:1] == ["users"] else short(error.instance)
    expected = error.validator_value
    if error.validator == "required" and isinstance(error.instance, dict) and isinstance(expected, list):
        expected = [name for name in expected if name not in error.instance]
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = error.schema.get("properties", {}) if isinstance(error.schema, dict) else {}
        value = ", ".join(short(name) for name in error.instance if name not in known)
    return f"{json_path(path)}: {_reason(error.validator, expected, value)}"


def _reason(keyword: object, expected: object, value: str) -> str:
    match keyword:
        case "type":
            return f"{value} is not of type {expected if isinstance(expected, str) else ' or '.join(expected)}"  # type: ignore[arg-type]
        case "required":
            return f"{', '.join(expected)} missing"  # type: ignore[arg-type]
        case "minimum":
            return f"{value} is less than {expected}"
        case "exclusiveMinimum":
            return f"{value} is not more than {expected}"
        case "maximum":
            return f"{value} is more than {expected}"
        case "exclusiveMaximum":
            return f"{value} is not less than {expected}"
        case "additionalProperties":
            return f"{value} is not known"
        case "pattern":
            return f"{value} is not of the form {expected}"
        case "enum" | "const":
            return f"{value} is not {expected!r}" if keyword == "const" else f"{value} is none of {expected!r}"
        case _:
            return f"{value} does not follow {keyword}: {expected!r}"
