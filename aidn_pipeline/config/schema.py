"""A JSON Schema of recipes for editors: lenient, so that fragments and `${...}` pass."""

from collections.abc import Sequence
from typing import Any

from aidn_pipeline.config.limits import AMOUNTS, CLAIM, RETRIES, TIMEOUT
from aidn_pipeline.core.index import ComponentSpec, FieldSpec, FieldType, Index

PLAIN = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "null": "null"}
REPEATED: dict[str, Any] = {
    "matrix": {
        "description": "repeats the stage, and what follows it, for each value: "
        "`{trainer.seed: [1, 2, 3]}`, `{fold: {range: 5}}`",
        "type": ["object", "null"],
        "properties": {"zip": {"type": "boolean", "description": "pairs the values of the axes"}},
        "additionalProperties": {
            "anyOf": [
                {"type": "array", "minItems": 1},
                {
                    "type": "object",
                    "properties": {"range": {"type": ["integer", "string"]}},
                    "required": ["range"],
                    "additionalProperties": False,
                },
                {"type": "string", "pattern": r"\$\{"},
                {"type": "null"},
            ]
        },
    },
    "when": {
        "description": "runs the stage only if this holds: `trainer.epochs > 5`",
        "type": ["string", "boolean", "null"],
    },
    "on_failure": {
        "description": "`continue` goes on with what does not need it; what gathers goes without",
        "enum": ["stop", "continue", None],
    },
}
"""Keys that every stage has beside the fields of its component."""
REFERENCE = {"type": "string", "pattern": r"\$\{|^\?\?\?$"}
SECRET = {"type": "string", "pattern": r"\$\{", "description": "write `${secret:NAME}`"}


def recipe_schema(index: Index) -> dict[str, Any]:
    """The schema, JSON Schema 2020-12."""
    groups = [group for group in index.groups() if group != "stage"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "aidn recipe",
        "type": "object",
        "properties": {
            "defaults": {
                "description": "what this recipe is composed of; later entries win",
                "type": "array",
                "items": {"type": ["string", "object"]},
            },
            "name": {"type": "string", "description": "name of the models it registers"},
            "seed": _type("int"),
            "run": {
                "type": "object",
                "description": "how to run; never part of a result",
                "properties": {"resources": _mapping(AMOUNTS, "of the machine, for the run")},
            },
            "stages": {
                "type": "object",
                "additionalProperties": {"anyOf": [{"$ref": "#/$defs/stage"}, {"type": "null"}]},
            },
            **{group: {"$ref": f"#/$defs/{group}"} for group in groups},
        },
        "$defs": {**{group: _group(index, group) for group in index.groups()}, **_limits()},
    }


def _group(index: Index, group: str) -> dict[str, Any]:
    specs = [spec for spec in index if spec.group == group]
    names = sorted(spec.name for spec in specs)
    choices = [
        {
            "if": {"properties": {"use": {"const": spec.name}}, "required": ["use"]},
            "then": {"properties": _properties(spec), "additionalProperties": False},
        }
        for spec in sorted(specs, key=lambda spec: spec.name)
    ]
    own = {"type": "object", "properties": {"use": {"enum": names}}, "allOf": choices}
    return {"anyOf": [REFERENCE, {"type": "null"}, own]}


def _properties(spec: ComponentSpec) -> dict[str, Any]:
    found: dict[str, Any] = {"use": {"const": spec.name, "description": spec.doc}}
    if spec.group == "stage":
        port = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
        found["inputs"] = {
            "type": "object",
            "properties": {item.name: port for item in spec.inputs},
            "additionalProperties": False,
        }
        found |= REPEATED | {key: {"$ref": f"#/$defs/{key}"} for key in _limits()}
    for item in spec.fields:
        found[item.name] = _type(item.type) | ({"description": item.doc} if item.doc else {})
        if not item.required and item.default is not None:
            found[item.name]["default"] = item.default
        # They bind numbers alone: a reference, being a text, still passes.
        bounds = {"minimum": item.least, "maximum": item.most}
        found[item.name] |= {key: bound for key, bound in bounds.items() if bound is not None}
    return found


def _limits() -> dict[str, Any]:
    retries = _mapping(RETRIES, "when it is tried again after a failure, with a longer pause each")
    retries["anyOf"].append({"type": "integer", "minimum": 0})
    return {
        "resources": _mapping(CLAIM, "what it takes up while it runs"),
        "timeout_s": {
            "description": TIMEOUT.doc,
            "anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "null"}, REFERENCE],
        },
        "retries": retries,
    }


def _mapping(fields: Sequence[FieldSpec], doc: str) -> dict[str, Any]:
    own = {
        "type": "object",
        "properties": {
            item.name: {"anyOf": [_type(item.type), {"type": "null"}], "description": item.doc}
            for item in fields
        },
        "additionalProperties": False,
    }
    return {"description": doc, "anyOf": [own, {"type": "null"}, REFERENCE]}


def _type(kind: FieldType) -> dict[str, Any]:
    exact = _exact(kind)
    return {"anyOf": [exact, REFERENCE]} if exact else {}


def _exact(kind: FieldType) -> dict[str, Any]:
    if isinstance(kind, str):
        if kind == "str":
            # A word that YAML reads as a number is the text it was written as.
            return {"type": ["string", "number", "boolean"]}
        if kind == "secret":
            return SECRET
        return {"type": PLAIN[kind]} if kind in PLAIN else {}
    if "literal" in kind:
        return {"enum": kind["literal"]}
    if "optional" in kind:
        inner = _exact(kind["optional"])
        return {"anyOf": [inner, {"type": "null"}]} if inner else {}
    if "list" in kind:
        return {"type": "array", "items": _type(kind["list"])}
    if "map" in kind:
        return {
            "type": "object",
            "additionalProperties": {"anyOf": [_exact(kind["map"]), {"type": "null"}, REFERENCE]},
        }
    if "component" in kind:
        return {"$ref": f"#/$defs/{kind['component']}"}
    return {"anyOf": [_exact(member) for member in kind["union"]]}
