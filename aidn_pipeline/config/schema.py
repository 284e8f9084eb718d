"""JSON Schemas 2020-12 of what an author writes, from the component index.

`recipe` is lenient: recipes and pipelines as files, with `${...}`, `???` and a defaults list. There
is one for the presets of each group, `conf/GROUP/*.yaml`, too. `resolved` is strict: every value is
known, and each component says which it is; `aidn-run show recipe=NAME` prints such a document.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from aidn_pipeline.config.groups import about_group
from aidn_pipeline.config.limits import AMOUNTS, CLAIM, RETRIES, TIMEOUT
from aidn_pipeline.config.recipe import RUN_FIELDS
from aidn_pipeline.config.reference import first_line
from aidn_pipeline.config.schema_types import (
    REFERENCE,
    UNKNOWN,
    Schema,
    Types,
    known,
    referring,
)
from aidn_pipeline.core.index import ComponentSpec, FieldSpec, Index, PortSpec

DRAFT = "https://json-schema.org/draft/2020-12/schema"
RECIPE, RESOLVED = "recipe", "resolved"
PORT = r"^[^.\[\]]+(\[[^\[\]]+\])?\.[^.\[\]]+\??$"
"""`aidn_pipeline.core.pipeline.REFERENCE` for readers of other languages."""
ENTRY = r"^(optional |override )*([\w-]+|/?[\w-]+(/[\w-]+)+)(@[\w.-]+)?$"
"""Of a defaults list, for groups of which no options are known."""
NAME_DOC = "what the models are called that it registers; by default the recipe's file"
SEED_DOC = "of everything that is drawn at random; a stage's name is no part of it"


def recipe_schema(index: Index, options: Mapping[str, Sequence[str]]) -> Schema:
    """The lenient schema of recipes and pipelines.

    Args:
        index: the components.
        options: what a defaults list may name, by group.
    """
    return _Document(index, Types(strict=False), options).recipe()


def resolved_schema(index: Index) -> Schema:
    """The strict schema of a recipe of which every value is known."""
    return _Document(index, Types(strict=True), {}).resolved()


def preset_schema(group: str) -> Schema:
    """The lenient schema of a group's presets; it stands below `recipe.schema.json`."""
    return {
        "$schema": DRAFT,
        "title": f"aidn {group} preset",
        "description": about_group(group),
        "type": "object",
        "$ref": f"../{RECIPE}.schema.json#/$defs/{group}.keys",
        "properties": {"defaults": {"$ref": f"../{RECIPE}.schema.json#/$defs/defaults"}},
        "unevaluatedProperties": False,
    }


class _Document:
    def __init__(self, index: Index, types: Types, options: Mapping[str, Sequence[str]]) -> None:
        self._types = types
        self._options = options
        self._groups = {
            group: [index.find(group, name) for name in index.names(group)]
            for group in index.groups()
        }

    def recipe(self) -> Schema:
        mounted = [group for group in self._groups if group != "stage"]
        return {
            "$schema": DRAFT,
            "title": "aidn recipe",
            "type": "object",
            "properties": {
                "defaults": {"$ref": "#/$defs/defaults"},
                **self._top(),
                **{group: {"$ref": f"#/$defs/{group}"} for group in mounted},
            },
            "$defs": {"defaults": self._defaults(), **self._definitions()},
        }

    def resolved(self) -> Schema:
        return {
            "$schema": DRAFT,
            "title": "aidn recipe, resolved",
            "type": "object",
            "properties": self._top(),
            "required": ["stages"],
            "additionalProperties": False,
            "$defs": {"any": known(), **self._definitions()},
        }

    def _top(self) -> Schema:
        run = self._types.mapping(RUN_FIELDS, "How it is run; never part of a result.", null=False)
        run["properties"]["resources"] = self._types.mapping(AMOUNTS, "of the machine, for the run")
        stage = {"anyOf": [{"$ref": "#/$defs/stage"}, {"type": "null"}]}
        return {
            "name": self._types.type("str") | {"description": NAME_DOC},
            "seed": self._types.type("int") | {"description": SEED_DOC, "default": 0},
            "run": run,
            "stages": {
                "type": "object",
                "description": "The steps of the pipeline by name; null takes one away.",
                "minProperties": 1,
                "additionalProperties": stage if self._types.strict else {"$ref": "#/$defs/stage"},
            },
        }

    def _definitions(self) -> Schema:
        found: Schema = {}
        for group, specs in self._groups.items():
            found[group] = self._position(group, specs)
            found[f"{group}.keys"] = self._keys(group, specs)
            for spec in specs:
                found[f"{group}.{spec.name}"] = self._component(spec)
        return found | {f"stage.{key}": value for key, value in self._steps().items()}

    def _position(self, group: str, specs: Sequence[ComponentSpec]) -> Schema:
        found: Schema = {
            "title": group,
            "description": about_group(group),
            "type": "object",
            "$ref": f"#/$defs/{group}.keys",
            "unevaluatedProperties": False,
        }
        if not self._types.strict:
            return referring(found | {"type": ["object", "null"]}, "`{use: NAME}`")
        # Where there is but one component, nobody has to say which it is.
        return found if len(specs) == 1 else found | {"required": ["use"]}

    def _keys(self, group: str, specs: Sequence[ComponentSpec]) -> Schema:
        names: Schema = {
            "description": f"which {group} it is",
            "enum": [spec.name for spec in specs],
            "markdownEnumDescriptions": [first_line(spec) for spec in specs],
        }
        use = names if self._types.strict else referring(names, "a name")
        choices = [self._choice(spec, only=len(specs) == 1) for spec in specs]
        if not self._types.strict and len(specs) > 1:
            # Which one it is stands in another file: any key of any of them may be meant.
            known_one = {"properties": {"use": {"enum": names["enum"]}}, "required": ["use"]}
            choices.append({"if": known_one, "else": {"properties": self._every(specs)}})
        return {"properties": {"use": use}, "allOf": choices}

    def _choice(self, spec: ComponentSpec, *, only: bool) -> Schema:
        chosen: Schema = {"properties": {"use": {"const": spec.name}}, "required": ["use"]}
        then: Schema = {"$ref": f"#/$defs/{spec.group}.{spec.name}"}
        required = [item.name for item in spec.fields if item.required]
        if self._types.strict and required:
            then["required"] = required
        return then if only else {"if": chosen, "then": then}

    def _component(self, spec: ComponentSpec) -> Schema:
        properties: Schema = {"use": {"const": spec.name, "description": first_line(spec)}}
        if spec.group == "stage":
            properties |= self._stage_keys(spec.inputs)
        properties |= {item.name: self._types.field(item) for item in spec.fields}
        return {"title": spec.key, "description": first_line(spec), "properties": properties}

    def _every(self, specs: Sequence[ComponentSpec]) -> Schema:
        found: dict[str, list[tuple[ComponentSpec, FieldSpec]]] = {}
        for spec in specs:
            for item in spec.fields:
                found.setdefault(item.name, []).append((spec, item))
        ports = {port.name: port for spec in specs for port in spec.inputs}
        own = self._stage_keys(list(ports.values())) if specs[0].group == "stage" else {}
        return own | {name: self._shared(items) for name, items in found.items()}

    def _shared(self, items: Sequence[tuple[ComponentSpec, FieldSpec]]) -> Schema:
        """A key that several components may have, each with its own words and bounds."""
        schemas = [self._types.field(item) for _, item in items]
        refs = [
            {"$ref": f"#/$defs/{spec.group}.{spec.name}/properties/{item.name}"}
            for spec, item in items
        ]
        different = [at for at, schema in enumerate(schemas) if schema not in schemas[:at]]
        if len(different) == 1:
            return refs[0]
        said = [f"`{items[at][0].name}`: {schemas[at]['description']}" for at in different]
        return {"anyOf": [refs[at] for at in different], "description": "\n\n".join(said)}

    def _stage_keys(self, ports: Sequence[PortSpec]) -> Schema:
        own = {port.name: {"$ref": "#/$defs/stage.port"} | _port(port) for port in ports}
        inputs = {
            "type": ["object", "null"],
            "description": "what it takes: `STAGE.PORT` for each of its ports",
            "properties": own,
            "additionalProperties": False,
        }
        found = {"inputs": inputs if self._types.strict else referring(inputs, "a mapping")}
        return found | {key: {"$ref": f"#/$defs/stage.{key}"} for key in _STEPS}

    def _steps(self) -> Schema:
        retries = self._types.mapping(
            RETRIES, "when it is tried again after a failure, with a longer pause each"
        )
        if self._types.strict:
            retries["required"] = ["times"]
        retries = retries | {"type": [*retries["type"], "integer"], "minimum": 0}
        timeout = {
            "type": ["number", "null"],
            "minimum": TIMEOUT.least,
            "description": TIMEOUT.doc,
        }
        return {
            "port": self._port_value(),
            "matrix": self._matrix(),
            "when": {
                "description": "runs the stage only if this holds: `trainer.epochs > 5`",
                "type": ["string", "boolean", "null"],
                **({"not": UNKNOWN} if self._types.strict else {}),
            },
            "on_failure": {
                "description": "`continue` goes on with what does not need it; what gathers goes "
                "without",
                "enum": ["stop", "continue", None],
            },
            "resources": self._types.mapping(CLAIM, "what it takes up while it runs"),
            "timeout_s": timeout if self._types.strict else referring(timeout, "seconds"),
            "retries": retries,
        }

    def _port_value(self) -> Schema:
        pattern = rf"^(?!\$\{{){PORT[1:]}" if self._types.strict else rf"{PORT}|{REFERENCE}"
        one: Schema = {
            "pattern": pattern,
            "patternErrorMessage": "write `STAGE.PORT`, with `?` if the stage may be missing",
        }
        items = one | {"type": ["string", "null"]}
        return one | {"type": ["string", "array", "null"], "items": items}

    def _matrix(self) -> Schema:
        whole = self._types.type("int")
        value: Schema = {"$ref": "#/$defs/any"} if self._types.strict else {}
        axis: Schema = {
            "type": ["array", "object", "null"],
            "minItems": 1,
            "items": value,
            "properties": {"range": whole | {"minimum": 1}},
            "required": ["range"],
            "additionalProperties": False,
        }
        return {
            "description": "repeats the stage, and what follows it, for each value: "
            "`{trainer.seed: [1, 2, 3]}`, `{fold: {range: 5}}`",
            "type": ["object", "null"],
            "properties": {"zip": {"type": "boolean", "description": "pairs the axes' values"}},
            "additionalProperties": axis if self._types.strict else referring(axis, "a list"),
        }

    def _defaults(self) -> Schema:
        entries: Schema = {}
        for group, options in self._options.items():
            one = {
                "description": about_group(group),
                "anyOf": [
                    {"enum": list(options)},
                    {"type": "array", "items": {"enum": list(options)}},
                    {"type": "null"},
                ],
            }
            entries |= {f"/{group}": one, f"override /{group}": one}
        at = "#/$defs/defaults/items/properties/~1"
        mounts: Schema = {
            rf"^(optional |override )*/{group}(@[\w.-]+)?$": {"$ref": f"{at}{group}"}
            for group in self._options
        }
        # Relative groups, and groups inside groups: what they hold is known to Hydra alone.
        free = {"type": ["string", "array", "null"], "items": {"type": "string"}}
        return {
            "description": "what it is composed of; a later entry lies over those before it",
            "type": ["array", "null"],
            "items": {
                "type": ["string", "object"],
                "not": {"type": "string", "pattern": r"\$\{"},
                "minProperties": 1,
                "maxProperties": 1,
                "properties": entries,
                "patternProperties": mounts | {ENTRY: free},
                "additionalProperties": False,
            },
        }


_STEPS = ("matrix", "when", "on_failure", "resources", "timeout_s", "retries")
"""Keys that every stage has beside its inputs and the fields of its component."""


def _port(port: PortSpec) -> dict[str, Any]:
    words = [port.kind, *(["one or more"] if port.many else [])]
    words += ["may stay unwired"] if port.optional else []
    return {"description": ", ".join(words)}
