"""What a value of the program is, in full: unlike its `repr`, nothing of it is left out or rounded.

Numpy and torch are not imported: their values are known by what they offer.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from types import FunctionType, MethodType, SimpleNamespace
from typing import Any

from aidn_pipeline.core.arrays import array_text
from aidn_pipeline.core.fingerprint import JSON, canonical_json

SCALARS = (bool, int, float, complex, str, bytes, bytearray, type(None))
TOLD_BY_TEXT = {
    **dict.fromkeys(("pathlib", "pathlib._local", "datetime", "zoneinfo", "decimal"), ("",)),
    **dict.fromkeys(("fractions", "uuid", "ipaddress", "typing", "types"), ("",)),
    "builtins": ("range", "slice", "ellipsis", "NotImplementedType", "builtin_function_or_method"),
    "torch": ("dtype", "device", "layout", "memory_format"),
    "numpy": ("dtype", "ufunc"),
}
"""Types by module whose `repr` is all that there is; an empty name stands for all of a module."""


class _Bare:
    pass


class Untold(ValueError):
    """A value, or a part of it, that cannot be told in full; says of which type it is."""


@dataclass(slots=True)
class Telling:
    """Tells values, and collects the classes and functions that they are made of.

    Attributes:
        code: those classes and functions.
    """

    code: list[Any] = field(default_factory=list)
    _inside: list[int] = field(default_factory=list)

    def text(self, value: Any) -> JSON:
        """All of a value.

        Raises:
            Untold: if that cannot be said.
        """
        if type(value) in SCALARS:
            return [type(value).__name__, repr(value)]
        if id(value) in self._inside:
            raise Untold(f"{type(value).__name__} that holds itself")
        self._inside.append(id(value))
        try:
            return self._compound(value)
        finally:
            self._inside.pop()

    def _compound(self, value: Any) -> JSON:
        if isinstance(value, (type, FunctionType)):
            self.code.append(value)
            return ["code", value.__qualname__]
        if isinstance(value, MethodType):
            return ["method", value.__name__, self.text(value.__self__)]
        if _is_told_by_text(value):
            return [type(value).__name__, repr(value)]
        self.code.append(type(value))
        array = _array(value)
        found = self._collection(value) if array is None else array
        return [type(value).__qualname__, self._object(value) if found is None else found]

    def _collection(self, value: Any) -> JSON:
        if isinstance(value, Enum):
            return [value.name, self.text(value.value)]
        if isinstance(value, SCALARS):
            return repr(value)
        if isinstance(value, Mapping):
            return [[self.text(k), self.text(v)] for k, v in value.items()]
        if isinstance(value, (list, tuple)):
            return self._all(value)
        if isinstance(value, (set, frozenset)):
            # The order of a set is that of this process.
            return sorted(self._all(value), key=canonical_json)
        return None

    def _object(self, value: Any) -> JSON:
        if isinstance(value, partial):
            return self._all((value.func, value.args, value.keywords))
        if isinstance(value, re.Pattern):
            return self._all((value.pattern, value.flags))
        if type(value).__module__ == "logging":
            return str(getattr(value, "name", ""))
        if callable(getattr(value, "__wrapped__", None)):
            return self.text(value.__wrapped__)
        return self._state(value)

    def _all(self, values: Iterable[Any]) -> list[JSON]:
        return [self.text(value) for value in values]

    def _state(self, value: Any) -> JSON:
        kind = type(value)
        slots = [name for k in kind.__mro__ for name in _slots(k)]
        size = _Bare.__basicsize__ + len(slots) * tuple.__itemsize__
        if kind is not SimpleNamespace and kind.__basicsize__ > size:
            # It keeps something that Python does not see.
            raise Untold(kind.__name__)
        state = {n: getattr(value, n) for n in slots if hasattr(value, n)}
        state |= getattr(value, "__dict__", {})
        if not state and kind.__module__ == "builtins":
            raise Untold(kind.__name__)
        return [[name, self.text(item)] for name, item in state.items()]


def _slots(kind: type) -> Iterable[str]:
    slots = vars(kind).get("__slots__", ())
    names = (slots,) if isinstance(slots, str) else tuple(slots)
    return [n for n in names if n not in ("__dict__", "__weakref__")]


def _is_told_by_text(value: Any) -> bool:
    if isinstance(value, SimpleNamespace) or " at 0x" in repr(value):
        return False
    return any(
        name in ("", kind.__name__)
        for kind in type(value).__mro__
        for name in TOLD_BY_TEXT.get(kind.__module__, ())
    )


def _array(value: Any) -> JSON:
    try:
        return array_text(value)
    except ValueError as problem:
        raise Untold(type(value).__name__) from problem
