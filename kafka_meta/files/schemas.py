"""The JSON Schemas (draft 2020-12) of every document, shipped inside the package."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

from kafka_meta.errors import UsageError


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
    from kafka_meta.files.explain import explain  # jsonschema takes a while to import, and is slow

    told = explain(document, _resolved(name))
    raise UsageError(f"{called}: {told or f'it does not follow schemas/{name}.schema.json'}", _hint(name))


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
