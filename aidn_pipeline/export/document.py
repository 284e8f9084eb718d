"""What a `model.json` must hold before anything is built from it: it may be anybody's."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from aidn_pipeline.core.signature import Signature

KEYS: Mapping[str, type] = {
    "format": int,
    "name": str,
    "version": int,
    "model": dict,
    "code": dict,
    "signature": dict,
    "preprocess": list,
    "classes": list,
    "files": dict,
    "golden": dict,
}
GOLDEN: Mapping[str, type] = {"rows": list, "outputs": list, "tolerance": dict}
FILE: Mapping[str, type] = {"digest": str, "size": int}
NUMBERS = (int, float)


def oddities(document: Mapping[str, Any], weights: str) -> Iterator[str]:
    """What is not as it must be, place by place; the first is enough to refuse the document.

    Args:
        document: the content of `model.json`, its signature as JSON.
        weights: name of the file of weights.
    """
    yield from _lacking(document, KEYS, "")
    for place, given in [("model", document["model"]), *_numbered(document["preprocess"])]:
        if not isinstance(given, dict) or not isinstance(given.get("use"), str):
            yield f"`{place}` names no component"
    yield from _lacking(document["files"], {weights: dict}, "files.")
    yield from _lacking(document["files"][weights], FILE, f"files.{weights}.")
    yield from _lacking(document["golden"], GOLDEN, "golden.")
    for name in ("absolute", "relative"):
        if type(document["golden"]["tolerance"].get(name)) not in NUMBERS:
            yield f"`golden.tolerance.{name}` is no number"
    if document["classes"] != document["signature"].get("classes"):
        yield "`classes` are not those of the signature"


def oddities_of(signature: Signature) -> Iterator[str]:
    """Fields of a signature that have another type or range than they must, or contradict."""
    yield from _fields(signature, "signature")
    for column, shape in (
        (signature.text, lambda c: (c.length,)),
        (signature.image, lambda c: (c.channels, c.height, c.width)),
    ):
        if column is not None and shape(column) != signature.shape:
            yield f"`signature.shape` is not that of column {column.name!r}"
    if signature.task == "binary" and len(signature.classes) != len(("no", "yes")):
        yield "`signature.classes` are not two"
    if signature.target_scale == 0:
        yield "`signature.target_scale` is 0"


def _lacking(given: Mapping[str, Any], wanted: Mapping[str, type], place: str) -> Iterator[str]:
    for name, kind in wanted.items():
        # A truth value is an `int` in Python, and in JSON it is none.
        if type(given.get(name)) is not kind:
            yield f"`{place}{name}` is missing or no {kind.__name__}"


def _numbered(given: Sequence[Any]) -> list[tuple[str, Any]]:
    return [(f"preprocess[{i}]", item) for i, item in enumerate(given)]


def _fields(value: Any, place: str) -> Iterator[str]:
    kinds = get_type_hints(type(value))
    for item in fields(value):
        found = getattr(value, item.name)
        if not _fits(found, kinds[item.name]):
            yield f"`{place}.{item.name}` has a value that it cannot have"
            continue
        for inner in found if isinstance(found, tuple) else (found,):
            if is_dataclass(inner):
                yield from _fields(inner, f"{place}.{item.name}")


def _fits(value: Any, kind: Any) -> bool:
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        return value in inner
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(v, inner[0]) for v in value)
    if origin in (Union, UnionType):
        return any(_fits(value, k) for k in inner)
    if kind is float:
        return type(value) in NUMBERS
    # Sizes and counts, none of which is negative.
    return type(value) is kind and (kind is not int or value >= 0)
