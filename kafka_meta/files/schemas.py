"""The JSON Schemas (draft 2020-12) of every document, shipped inside the package."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match
from jsonschema.validators import extend

from kafka_meta.errors import UsageError
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


def schema(name: str) -> dict[str, Any]:
    """The schema called `name` ("metadata", "plan", …), with its references resolved."""
    return _resolved(name)


def validate(document: object, name: str, *, called: str) -> None:
    """Raises UsageError, with the JSON path, when `document` does not follow the schema `name`.

    `called` is the document's name in error messages: the path of its file.
    """
    # A file of 100,000 partitions takes jsonschema 8 s, and jsonschema-rs 0.3 s. jsonschema explains a no.
    if is_valid(document, name):
        return
    first = next(_Validator(_resolved(name)).iter_errors(document), None)
    if first is None:
        raise UsageError(f"{called}: it does not follow schemas/{name}.schema.json", _hint(name))
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
    raise UsageError(f"{called}: {json_path(path)}: {_reason(error.validator, expected, value)}", _hint(name))


def _hint(name: str) -> str:
    if name == "catalogue":
        return "Correct the file at that place; schemas/catalogue.schema.json tells what may stand there."
    return "Nothing was created. Export again, or correct the file at that place."


def is_valid(document: object, name: str) -> bool:
    """Whether the document follows the schema `name`."""
    try:
        return _fast(name).is_valid(document)
    except (ValueError, RecursionError):  # what is no JSON: NaN, or nested too deeply
        return False


class _Exact:
    """A keyword of our own, beside each "integer"."""

    def __init__(self, parent: object, value: object, path: object) -> None:
        pass

    def validate(self, instance: object) -> None:
        if isinstance(instance, float):
            raise ValueError("not an integer")


@cache
def _fast(name: str) -> jsonschema_rs.Draft202012Validator:
    def exact(node: Any) -> Any:
        if isinstance(node, list):
            return [exact(item) for item in node]
        if not isinstance(node, dict):
            return node
        kinds = node.get("type")
        own = {"exact": True} if "integer" in (kinds if isinstance(kinds, list) else [kinds]) else {}
        return {**{key: exact(value) for key, value in node.items()}, **own}

    return jsonschema_rs.Draft202012Validator(exact(_resolved(name)), keywords={"exact": _Exact})


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


@cache
def _resolved(name: str) -> dict[str, Any]:
    """With local references replaced by their content: jsonschema spends a third of its time looking them up."""
    document = json.loads(_locate(f"{name}.schema.json").read_text("utf-8"))
    definitions = document.pop("$defs", {})

    def resolve(node: Any) -> Any:
        if isinstance(node, dict):
            if "$ref" in node:
                rest = {key: value for key, value in node.items() if key != "$ref"}
                return resolve({**definitions[node["$ref"].removeprefix("#/$defs/")], **rest})
            return {key: resolve(value) for key, value in node.items()}
        if isinstance(node, list):
            return [resolve(item) for item in node]
        return node

    resolved: dict[str, Any] = resolve(document)
    return resolved


def _locate(file_name: str) -> Path:
    """The schema's path: inside the package when it was installed from a wheel, beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "schemas", package.parent / "schemas"):
        if (folder / file_name).is_file():
            return folder / file_name
    raise FileNotFoundError(f"the schema {file_name} is missing from the installation")
