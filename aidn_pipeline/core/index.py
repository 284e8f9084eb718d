"""The component index: everything planning must know of a component, without importing it."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from difflib import get_close_matches
from typing import Any, Literal, TypeAlias

from aidn_pipeline.core.fingerprint import JSON
from aidn_pipeline.errors import UnknownComponent

FieldType: TypeAlias = Any
"""A JSON type expression: `"str" "int" "float" "bool" "any" "null" "secret"`, or an object with one
of the keys `literal: [...]`, `optional: T`, `list: T`, `map: T`, `component: group`,
`union: [T, ...]`."""

Form: TypeAlias = Literal["dataclass", "factory", "function"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSpec:
    """One field of a component; see `aidn_pipeline.core.component.setting` for the flags."""

    name: str
    type: FieldType
    required: bool = False
    default: JSON = None
    doc: str = ""
    semantic: bool = True
    extends: bool = False
    fixed: bool = False
    masks: str | None = None
    since: int | None = None
    content: bool = False
    least: float | None = None
    most: float | None = None
    smoke: JSON = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PortSpec:
    """One port of a stage.

    Attributes:
        name: as in `inputs:` or after the dot of a reference.
        kind: the artifact kind.
        optional: whether it may stay unwired.
        many: whether it takes a list of references.
        into: for params: the field whose dotted paths the values are written into before the
            stage is fingerprinted.
        cells: of one that takes many: the field that says which cell of a matrix each is, as a
            mapping of axes to values; filled in where the references are gathered.
    """

    name: str
    kind: str
    optional: bool = False
    many: bool = False
    into: str | None = None
    cells: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentSpec:
    """One component.

    Attributes:
        module: import path of the module that defines it.
        attribute: qualified name inside the module.
        form: how it is built, see `aidn_pipeline.core.component`.
        doc: first paragraph of the docstring.
        code: digest of each project file the component's code consists of, by path; empty for
            components counted by `version` alone.
        injected: parameters that are handed over where the component runs.
        wants_signature: parameters annotated `Signature`.
        bounded: its result depends on the total of an extendable field (a schedule over all
            epochs), so that field cannot be extended.
        effects: `external` work is keyed by what it does and never repeated.
        seeded: whether the pipeline's seed is part of the stage's fingerprint.
    """

    group: str
    name: str
    module: str
    attribute: str
    form: Form = "dataclass"
    version: int = 1
    doc: str = ""
    fields: tuple[FieldSpec, ...] = ()
    inputs: tuple[PortSpec, ...] = ()
    outputs: tuple[PortSpec, ...] = ()
    code: Mapping[str, str] = field(default_factory=dict)
    packages: tuple[str, ...] = ()
    injected: tuple[str, ...] = ()
    wants_signature: tuple[str, ...] = ()
    bounded: bool = False
    effects: Literal["pure", "external"] = "pure"
    seeded: bool = True

    @property
    def key(self) -> str:
        """`group/name`."""
        return f"{self.group}/{self.name}"

    def field(self, name: str) -> FieldSpec | None:
        """The field of that name."""
        return next((f for f in self.fields if f.name == name), None)

    def input(self, name: str) -> PortSpec | None:
        """The input port of that name."""
        return next((p for p in self.inputs if p.name == name), None)

    def output(self, name: str) -> PortSpec | None:
        """The output port of that name."""
        return next((p for p in self.outputs if p.name == name), None)

    def to_json(self) -> dict[str, JSON]:
        """Fields that equal their default are left out."""
        value = _sparse(asdict(self), ComponentSpec)
        value["fields"] = [_sparse(asdict(f), FieldSpec) for f in self.fields]
        for side in ("inputs", "outputs"):
            value[side] = [_sparse(asdict(p), PortSpec) for p in getattr(self, side)]
        return {k: v for k, v in value.items() if v not in ([], (), {})}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "ComponentSpec":
        """The inverse of `to_json`."""
        plain = dict(value)
        plain["fields"] = tuple(FieldSpec(**f) for f in plain.get("fields", ()))
        for side in ("inputs", "outputs"):
            plain[side] = tuple(PortSpec(**p) for p in plain.get(side, ()))
        for name in ("packages", "injected", "wants_signature"):
            plain[name] = tuple(plain.get(name, ()))
        return cls(**plain)


def _sparse(value: dict[str, Any], cls: type) -> dict[str, Any]:
    fields = cls.__dataclass_fields__  # type: ignore[attr-defined]
    return {k: v for k, v in value.items() if v != fields[k].default}


class Index:
    """All components that a recipe may name, by group and name."""

    def __init__(self, specs: Iterable[ComponentSpec]) -> None:
        self._specs = {spec.key: spec for spec in specs}

    def __iter__(self) -> Any:
        return iter(self._specs.values())

    def get(self, group: str, name: str) -> ComponentSpec | None:
        """The component, or None."""
        return self._specs.get(f"{group}/{name}")

    def names(self, group: str) -> list[str]:
        """Names in a group, sorted."""
        return sorted(s.name for s in self._specs.values() if s.group == group)

    def groups(self) -> list[str]:
        """Groups that have a component, sorted."""
        return sorted({s.group for s in self._specs.values()})

    def find(self, group: str, name: str, *, where: str = "") -> ComponentSpec:
        """The component.

        Raises:
            UnknownComponent: with the nearest name.
        """
        spec = self.get(group, name)
        if spec is not None:
            return spec
        names = self.names(group)
        near = get_close_matches(name, names, 1)
        remedy = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(names) or 'none'}"
        raise UnknownComponent(f"unknown {group} {name!r}", where=where, remedy=remedy)

    def merged(self, more: Iterable[ComponentSpec]) -> "Index":
        """This index and `more`; of equal keys the later stands."""
        return Index([*self._specs.values(), *more])
