"""Types of fields as JSON Schema 2020-12, in two forms.

The strict form takes values. The lenient one takes what a file may hold before it is composed, too:
a reference `${...}`, and `???` for what is left to others. Every position is one flat schema where
that can be, since an editor's message about an `anyOf` names no reason.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from aidn_pipeline.config.check import words
from aidn_pipeline.config.reference import about
from aidn_pipeline.core.describe import component_group
from aidn_pipeline.core.index import FieldSpec, FieldType

Schema: TypeAlias = dict[str, Any]
REFERENCE = r"\$\{|^\?\?\?$"
BY_NAME = r"^\$\{secret:[A-Za-z_][A-Za-z0-9_]*\}$"
PLAIN = {"int": "integer", "float": "number", "bool": "boolean", "null": "null"}
UNKNOWN: Schema = {"type": "string", "pattern": REFERENCE}
"""A text that stands for a value, which a strict document has none of."""


@dataclass(frozen=True, slots=True)
class Types:
    """Writes types.

    Attributes:
        strict: whether every value is known.
    """

    strict: bool

    def field(self, item: FieldSpec) -> Schema:
        """The schema of a field's value, with what is known about the field."""
        found = self.type(item.type)
        group = component_group(item.type)
        if self.strict and group and isinstance(item.default, Mapping) and "use" in item.default:
            found = _changed(found, group, str(item.default["use"]))
        found = {**found, **_described(item)}
        if not item.required and item.default is not None:
            found["default"] = item.default
        # They bind numbers alone: a reference, being a text, still passes.
        bounds = {"minimum": item.least, "maximum": item.most}
        return found | {key: bound for key, bound in bounds.items() if bound is not None}

    def type(self, kind: FieldType) -> Schema:
        """The schema of a value."""
        if self.strict:
            return self._exact(kind)
        return referring(self._exact(kind), words(kind))

    def orphan(self, kind: FieldType) -> Schema:
        """The schema of a value that null takes away."""
        return self.nullable(self.type(kind))

    def nullable(self, found: Schema) -> Schema:
        """A schema that takes null, too."""
        kinds = found.get("type")
        if not found or (not self.strict and "$ref" in found):
            # In a file, null takes a component away wherever it stands.
            return found
        if "anyOf" in found:
            return {**found, "anyOf": [*found["anyOf"], {"type": "null"}]}
        if kinds is None or "not" in found:
            return {"anyOf": [found, {"type": "null"}]}
        names = [kinds] if isinstance(kinds, str) else list(kinds)
        return found if "null" in names else {**found, "type": [*names, "null"]}

    def mapping(self, fields: Iterable[FieldSpec], doc: str, *, null: bool = True) -> Schema:
        """A mapping of fields that are all the keys there are.

        Args:
            fields: its keys.
            doc: what it is for.
            null: whether null takes a key away.
        """
        items = list(fields)
        properties: Schema = {}
        for item in items:
            one = self.field(item)
            must = self.strict and item.required
            properties[item.name] = self.nullable(one) if null and not must else one
        found: Schema = {
            "type": ["object", "null"],
            "description": doc,
            "properties": properties,
            "additionalProperties": False,
        }
        return found if self.strict else referring(found, "a mapping")

    def _exact(self, kind: FieldType) -> Schema:
        if isinstance(kind, str):
            return self._word(kind)
        (word, inner), *_ = kind.items()
        match word:
            case "literal":
                return {"enum": list(inner)}
            case "optional":
                return self.nullable(self._exact(inner))
            case "list":
                return {"type": "array", "items": self.type(inner)}
            case "map":
                # A name given null in a later file is removed.
                return {"type": "object", "additionalProperties": self.orphan(inner)}
            case "component":
                return {"$ref": f"#/$defs/{inner}"}
            case _:
                return {"anyOf": [self._exact(member) for member in inner]}

    def _word(self, kind: str) -> Schema:
        if kind == "any":
            return {"$ref": "#/$defs/any"} if self.strict else {}
        if kind == "secret":
            return {
                "type": "string",
                "pattern": BY_NAME if self.strict else REFERENCE,
                "patternErrorMessage": "write `${secret:NAME}`; the value itself stands nowhere",
            }
        if kind == "str":
            # A word that YAML reads as a number is the text it was written as.
            text: Schema = {"type": ["string", "number", "boolean"]}
            return text | {"not": UNKNOWN} if self.strict else text
        return {"type": PLAIN[kind]}


def known() -> Schema:
    """The definition of `any` in the strict form: a value without references in it."""
    inner = {"$ref": "#/$defs/any"}
    return {"not": UNKNOWN, "items": inner, "additionalProperties": inner}


def referring(found: Schema, takes: str) -> Schema:
    """A schema that takes a reference, too.

    Args:
        found: the schema without.
        takes: what it takes, in words.
    """
    kinds = found.get("type")
    names = [kinds] if isinstance(kinds, str) else list(kinds or ())
    if set(found) <= {"$ref"} or "pattern" in found or "string" in names:
        return found
    if not names or "anyOf" in found:
        return {"anyOf": [*found.get("anyOf", [found]), UNKNOWN]}
    message = {"patternErrorMessage": f"takes {takes}, or a reference `${{...}}`"}
    return {**found, "type": [*names, "string"], "pattern": REFERENCE, **message}


def _described(item: FieldSpec) -> Schema:
    said = [words(item.type), about(item)]
    if item.required:
        said.append("Required.")
    elif item.default is None and not (isinstance(item.type, dict) and "optional" in item.type):
        pass  # what happens without it, its text says
    elif not isinstance(item.default, (dict, list)) or item.default in ({}, []):
        said.append(f"Default: `{json.dumps(item.default)}`.")
    text = "\n\n".join(part for part in said if part)
    return {"description": text}


def _changed(found: Schema, group: str, use: str) -> Schema:
    """A component, or keys without `use`, which change the one that the field has by default."""
    keys: Schema = {
        "type": "object",
        "not": {"required": ["use"]},
        "$ref": f"#/$defs/{group}.{use}",
        "unevaluatedProperties": False,
    }
    return {"anyOf": [*found.get("anyOf", [found]), keys]}
