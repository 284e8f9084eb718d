"""From a recipe's `space:` to typed domains; every mistake at once, each with its place.

A key is a dotted path of fields inside the trial. Whether numbers are whole follows the field's
annotation, never the spelling: `{low: 0, high: 1}` on a float field is an interval.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, TypeAlias, TypeGuard

from aidn_pipeline.core.describe import complete
from aidn_pipeline.core.index import FieldType, Index
from aidn_pipeline.core.masking import keep_out
from aidn_pipeline.errors import ConfigError, ConfigProblems, UnknownKey, WrongType
from aidn_pipeline.sweep.space import Choices, Domain, Float, Int, Space, same

KEYS = {
    "float": ("low", "high", "log", "step"),
    "int": ("low", "high", "log", "step"),
    "choices": ("choices", "ordered"),
}
TypeOf: TypeAlias = Callable[[str, str], FieldType]
Convert: TypeAlias = Callable[[Any, FieldType, str], Any]


def parse_space(
    value: Mapping[str, Any],
    *,
    index: Index,
    group: str,
    trial: Mapping[str, Any],
    where: str = "space",
) -> Space:
    """Reads a space against the fields of the trial's component.

    Args:
        value: domains by dotted path; entries that are None are left out.
        index: the component index.
        group: of the trial's component: `trainer`.
        trial: its description; components inside it decide which fields there are.
        where: the config path of `value`, for messages.

    Raises:
        UnknownKey: for a path without a field, or an unknown key of a domain.
        WrongType: for a value of the wrong type or outside what the field takes.
        ConfigProblems: for several of them.
    """
    return _parse(
        value,
        where,
        lambda path, place: field_type_at(index, group, trial, path, where=place),
        lambda choice, kind, place: _choice(index, choice, kind, place),
    )


def read_space(
    value: Mapping[str, Any], trial: Mapping[str, Any], *, where: str = "space"
) -> Space:
    """Reads a space without an index, in its complete form or by the values that stand there.

    A domain that does not name its type takes that of the value which the complete description of
    the trial holds at its path.

    Raises:
        UnknownKey: for a path without a field, or an unknown key of a domain.
        WrongType: for a value of the wrong type.
        ConfigProblems: for several of them.
    """
    return _parse(
        value,
        where,
        lambda path, place: _type_of_value(trial, path, place),
        _plain_choice,
    )


def _parse(value: Mapping[str, Any], where: str, type_of: TypeOf, convert: Convert) -> Space:
    domains: dict[str, Domain] = {}
    problems: list[ConfigError] = []
    for path, written in value.items():
        if written is None:
            continue
        place = f"{where}.{path}"
        try:
            domains[path] = parse_domain(
                written, type_of(path, place), where=place, convert=convert
            )
        except ConfigError as problem:
            problems.append(problem)
    problems += _nested(sorted(value), where)
    if len(problems) > 1:
        raise ConfigProblems(problems)
    if problems:
        raise problems[0]
    return Space(domains)


def _nested(paths: Sequence[str], where: str) -> list[ConfigError]:
    return [
        WrongType(
            f"{inner!r} lies inside {outer!r}, which is searched as a whole",
            where=f"{where}.{inner}",
            remedy=f"search the fields of `{outer}`, or whole values of it, not both",
        )
        for outer in paths
        for inner in paths
        if inner.startswith(f"{outer}.")
    ]


def field_type_at(
    index: Index, group: str, description: Mapping[str, Any], path: str, *, where: str = ""
) -> FieldType:
    """The type of the field at a dotted path inside a component.

    Raises:
        UnknownKey: with the nearest field.
    """
    kind: FieldType = {"component": group}
    value: Any = description
    for depth, part in enumerate(path.split(".")):
        kind = _unwrap(kind)
        if isinstance(kind, dict) and "component" in kind and isinstance(value, Mapping):
            spec = index.find(kind["component"], str(value.get("use", "")), where=where)
            names = [f.name for f in spec.fields]
            item = spec.field(part)
            value = value.get(part, item.default if item else None)
            kind = item.type if item else None
        elif isinstance(kind, dict) and "map" in kind and isinstance(value, Mapping):
            names = list(value)
            kind = kind["map"] if part in value else None
            value = value.get(part)
        else:
            names, kind = [], None
        if kind is None:
            raise _no_field(path, depth, names, where)
    return kind


def _unwrap(kind: FieldType) -> FieldType:
    return kind["optional"] if isinstance(kind, dict) and "optional" in kind else kind


def _no_field(path: str, depth: int, names: Sequence[str], where: str) -> UnknownKey:
    parts = path.split(".")
    near = get_close_matches(parts[depth], names, 1)
    above = ".".join(parts[:depth]) or "the trial"
    known = f"fields of {above}: {', '.join(names)}" if names else f"{above} has no fields inside"
    right = ".".join([*parts[:depth], near[0], *parts[depth + 1 :]]) if near else ""
    return UnknownKey(
        f"no field stands behind the searched path {path!r}",
        where=where,
        remedy=f"did you mean `{right}`?" if near else known,
    )


def _type_of_value(trial: Mapping[str, Any], path: str, where: str) -> FieldType:
    place: Any = trial
    for depth, part in enumerate(path.split(".")):
        if not isinstance(place, Mapping) or part not in place:
            names = [k for k in place if k != "use"] if isinstance(place, Mapping) else []
            raise _no_field(path, depth, names, where)
        place = place[part]
    for python, kind in ((bool, "bool"), (int, "int"), (float, "float"), (str, "str")):
        if isinstance(place, python):
            return kind
    return "any"


def parse_domain(
    written: Any, kind: FieldType, *, where: str, convert: Convert | None = None
) -> Domain:
    """Reads one domain for a field of a type.

    Args:
        written: a mapping with `low` and `high` or with `choices`, a list of choices, or the word
            `any` for all values of a bool or of a literal.
        kind: the field's type, as in `core.index.FieldType`.
        where: the config path, for messages.
        convert: takes a choice to the field's type; the plain rules if None.

    Raises:
        UnknownKey: for an unknown key.
        WrongType: for a wrong value.
    """
    convert = convert or _plain_choice
    inner = _unwrap(kind)
    if written == "any":
        return _everything(inner, where)
    if isinstance(written, (list, tuple)):
        written = {"choices": list(written)}
    if not isinstance(written, Mapping):
        raise WrongType(
            f"a domain is a mapping with low and high, or a list of choices, not {written!r}",
            where=where,
            remedy="write `{low: 0.1, high: 1.0}` or `[1, 2, 3]`",
        )
    form = written.get("type") or _form(written, inner, where)
    if not isinstance(form, str) or form not in KEYS:
        raise WrongType(
            f"no such type of domain: {form!r}",
            where=f"{where}.type",
            remedy=f"one of {', '.join(KEYS)}",
        )
    for key in written:
        if key not in (*KEYS[form], "type"):
            near = get_close_matches(str(key), KEYS[form], 1)
            known = f"keys: {', '.join(KEYS[form])}"
            raise UnknownKey(
                f"unknown key {key!r} of a domain",
                where=f"{where}.{key}",
                remedy=f"did you mean `{near[0]}`?" if near else known,
            )
    if form == "choices":
        return _choices(written, kind, where, convert)
    return _interval(written, form, where)


def _form(written: Mapping[str, Any], kind: FieldType, where: str) -> str:
    if "choices" in written:
        return "choices"
    if kind in ("int", "float"):
        return str(kind)
    whole = all(_is_int(written.get(k)) for k in ("low", "high"))
    if kind == "any":
        return "int" if whole and _is_int(written.get("step", 1)) else "float"
    if isinstance(kind, Mapping) and "union" in kind:
        members = [k for k in kind["union"] if k in ("int", "float")]
        if members:
            return str(members[0]) if len(members) == 1 or whole else "float"
    raise WrongType(
        f"an interval needs a field that is a number, this one is {_words(kind)}",
        where=where,
        remedy="give `choices: [...]`",
    )


def _everything(kind: FieldType, where: str) -> Choices:
    if kind == "bool":
        return Choices(choices=(False, True))
    if isinstance(kind, Mapping) and "literal" in kind:
        return Choices(choices=tuple(kind["literal"]))
    raise WrongType(
        f"`any` needs a field with a short list of values, this one is {_words(kind)}",
        where=where,
        remedy="give `{low: ..., high: ...}` or `choices: [...]`",
    )


def _interval(written: Mapping[str, Any], form: str, where: str) -> Float | Int:
    low = _number(written, "low", form, where)
    high = _number(written, "high", form, where)
    log = written.get("log", False)
    if not isinstance(log, bool):
        raise WrongType(f"log is true or false, not {log!r}", where=f"{where}.log")
    step = None if written.get("step") is None else _number(written, "step", form, where)
    if low > high:
        raise WrongType(
            f"low {low!r} is above high {high!r}", where=f"{where}.low", remedy="exchange them"
        )
    if log and low <= 0:
        raise WrongType(
            f"a logarithmic domain starts above 0, not at {low!r}",
            where=f"{where}.low",
            remedy="raise `low`, or leave `log` out",
        )
    if step is not None and step <= 0:
        raise WrongType(f"step is above 0, not {step!r}", where=f"{where}.step")
    if log and step not in (None, 1 if form == "int" else None):
        raise WrongType(
            "a logarithmic domain has no step",
            where=f"{where}.step",
            remedy="leave one of them out",
        )
    if form == "int":
        return Int(low=int(low), high=int(high), log=log, step=int(step or 1))
    return Float(low=low, high=high, log=log, step=step)


def _number(written: Mapping[str, Any], key: str, form: str, where: str) -> float:
    if key not in written:
        raise WrongType(
            f"{key} is missing",
            where=where,
            remedy="write `{low: ..., high: ...}` or `choices: [...]`",
        )
    value = written[key]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        hint = "YAML reads 1e-3 as text: write 1.0e-3" if isinstance(value, str) else ""
        raise WrongType(f"{key} is a number, not {value!r}", where=f"{where}.{key}", remedy=hint)
    if form == "int" and value != int(value):
        raise WrongType(
            f"{key} is a whole number, because the field is one, not {value!r}",
            where=f"{where}.{key}",
        )
    return int(value) if form == "int" else float(value)


def _choices(written: Mapping[str, Any], kind: FieldType, where: str, convert: Convert) -> Choices:
    given = written.get("choices")
    if not isinstance(given, (list, tuple)) or not given:
        raise WrongType(
            f"choices is a list with at least one value, not {given!r}",
            where=f"{where}.choices",
            remedy="write the values to try: `choices: [16, 32, 64]`",
        )
    ordered = written.get("ordered", False)
    if not isinstance(ordered, bool):
        raise WrongType(f"ordered is true or false, not {ordered!r}", where=f"{where}.ordered")
    values = [convert(value, kind, f"{where}.choices[{i}]") for i, value in enumerate(given)]
    for i, value in enumerate(values):
        if any(same(value, earlier) for earlier in values[:i]):
            raise WrongType(
                f"{value!r} stands twice",
                where=f"{where}.choices[{i}]",
                remedy="leave one of them out",
            )
    return Choices(choices=tuple(values), ordered=ordered)


def _choice(index: Index, value: Any, kind: FieldType, where: str) -> Any:
    inner = _unwrap(kind)
    if isinstance(inner, Mapping) and "component" in inner and value is not None:
        given = {"use": value} if isinstance(value, str) else value
        if not isinstance(given, Mapping):
            raise WrongType(
                f"a {inner['component']} is a name or a mapping, not {value!r}", where=where
            )
        return complete(index, inner["component"], given, where=where)
    return _plain_choice(value, kind, where)


def _plain_choice(value: Any, kind: FieldType, where: str) -> Any:
    inner = _unwrap(kind)
    if value is None and inner is not kind:
        return None
    if inner == "float" and _is_int(value):
        return float(value)
    if inner == "secret":
        keep_out(str(value))
    if not _fits(value, inner):
        raise WrongType(f"{value!r} is not {_words(inner)}", where=where)
    return value


def _fits(value: Any, kind: FieldType) -> bool:
    if isinstance(kind, Mapping):
        return _fits_inside(value, kind)
    checks: dict[str, Callable[[Any], bool]] = {
        "float": lambda v: isinstance(v, float) and math.isfinite(v),
        "int": _is_int,
        "str": lambda v: isinstance(v, str),
        "bool": lambda v: isinstance(v, bool),
        "null": lambda v: v is None,
        "any": lambda _: True,
        "secret": lambda _: False,
    }
    return checks[kind](value)


def _fits_inside(value: Any, kind: Mapping[str, Any]) -> bool:
    if "literal" in kind:
        return any(same(value, v) for v in kind["literal"])
    if "union" in kind:
        return any(_fits(value, k) for k in kind["union"])
    return isinstance(value, (list, tuple) if "list" in kind else Mapping)


def _is_int(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _words(kind: FieldType) -> str:
    if isinstance(kind, Mapping):
        if "literal" in kind:
            return "one of " + ", ".join(repr(v) for v in kind["literal"])
        if "component" in kind:
            return f"a {kind['component']}"
        return "a list" if "list" in kind else "a mapping" if "map" in kind else "a union"
    names = {"str": "text", "int": "a whole number", "float": "a number", "bool": "true or false"}
    names["secret"] = "a secret: it is not searched"  # noqa: S105 - no password, but a word for one
    return names.get(str(kind), str(kind))
