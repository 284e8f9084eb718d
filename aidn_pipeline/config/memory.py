"""Whether the code in memory is what its source says now.

The identity of code is read from files, and what runs was imported earlier: a module edited in
between, or changed by the program, would give results under the identity of other code.
"""

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import resolve_name
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from aidn_pipeline.config.code import node_digest
from aidn_pipeline.errors import ConfigError

SCALARS = (bool, int, float, complex, str, bytes, type(None))
GENERATED = ("<string>", "<attrs")
"""How the names of sources begin that no one wrote, as those of `dataclass`."""
KEEPING = frozenset({"component", "staticmethod", "classmethod", "property"})
"""Decorators that leave the code of what they decorate as it is."""
PROGRAM = ("__main__", "__mp_main__")
HAS_DOCSTRING = 0x4000000
"""Flag of code whose first constant is its docstring, from Python 3.13 on."""
SYNTAX_FLAGS = 0xEFF
"""Flags of code but those of `from __future__`, which a notebook keeps, and `types.coroutine`."""

IMPORTED = 2
"""How often `_bindings` counts a name that one import gives."""

_SEEN: dict[str, tuple[ModuleSpec | None, str]] = {}
# Of each module, its source when it was first looked at; a reload gives it another spec.


def refuse_stale(sources: Mapping[Path, ast.Module]) -> None:
    """Checks the modules that were imported from some files.

    Args:
        sources: syntax trees by file, as they are now.

    Raises:
        ConfigError: for a module that was edited or changed since it was imported.
    """
    trees = {file.resolve(): tree for file, tree in sources.items()}
    names = {file.name for file in trees}
    for name, module in sorted(sys.modules.items()):
        file = str(getattr(module, "__file__", None))
        if name in PROGRAM or file.rpartition("/")[2] not in names:
            continue
        tree = trees.get(Path(file).resolve())
        if tree is not None and (found := _differs(name, module, tree)):
            raise ConfigError(
                f"{found}, and a result would be kept under the identity of other code",
                where=file,
                remedy=f"restart the program or kernel, or call `importlib.reload({name})` and "
                "`configure` again",
            )


def _differs(name: str, module: ModuleType, tree: ast.Module) -> str:
    digest = node_digest(tree)
    spec = module.__spec__
    seen, before = _SEEN.setdefault(name, (spec, digest))
    if seen is not spec:
        _SEEN[name] = (spec, digest)
    elif before != digest:
        return f"{name} was edited since it was imported"
    if older := _older_import(module, tree):
        return f"{name} uses {older} as it was before its module was loaded again"
    # What another loader made of the source, such as that of a test runner, cannot be compared.
    if type(getattr(spec, "loader", None)) is not SourceFileLoader:
        return ""
    changed = Written.of(tree, whole=True).changed(vars(module))
    return f"{name}.{changed} in memory is not what its file says" if changed else ""


def _older_import(module: ModuleType, tree: ast.Module) -> str:
    bound = _bindings(tree.body)
    for node in tree.body:
        if not isinstance(node, ast.ImportFrom):
            continue
        source = "." * node.level + (node.module or "")
        package = sys.modules.get(resolve_name(source, module.__package__))
        for alias in node.names:
            mine = vars(module).get(alias.asname or alias.name)
            theirs = getattr(package, alias.name, mine)
            if mine is theirs or len(bound.get(alias.asname or alias.name, ())) > IMPORTED:
                continue
            if _codes(mine).keys() != _codes(theirs).keys() or not all(
                same_code(code, _codes(theirs)[name]) for name, code in _codes(mine).items()
            ):
                return alias.name
    return ""


def _codes(value: Any) -> dict[str, CodeType]:
    members = vars(value) if isinstance(value, type) else {"": value}
    found = {name: plain_function(member) for name, member in members.items()}
    return {name: function.__code__ for name, function in found.items() if function is not None}


@dataclass(frozen=True, slots=True)
class Written:
    """What a text defines, to be compared with what lives.

    Attributes:
        body: its statements.
        whole: whether all of it is part of the identity: values and later changes among them.
        codes: compiled functions by qualified name.
        unclear: names and attributes that it gives a value to more than once.
    """

    body: Sequence[ast.stmt]
    whole: bool
    codes: dict[str, list[CodeType]] = field(default_factory=dict)
    unclear: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, tree: ast.Module, *, whole: bool) -> "Written":
        """Of a module, a script or a cell."""
        written = cls(tree.body, whole)
        # A notebook compiles its statements one by one, which gives other code than a file.
        for body in [tree.body] if whole else [tree.body, *([node] for node in tree.body)]:
            module = ast.Module(body=body, type_ignores=[])
            flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            written._take(compile(module, "<source>", "exec", flags, dont_inherit=True))
        for node in ast.walk(tree) if whole else ():
            if isinstance(node, ast.Global):
                written.unclear.update(node.names)
            elif isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
                written.unclear.add(node.attr)
        return written

    def _take(self, code: CodeType) -> None:
        for inner in code.co_consts:
            if isinstance(inner, CodeType):
                self.codes.setdefault(inner.co_qualname, []).append(inner)
                self._take(inner)

    def changed(self, living: Mapping[str, Any]) -> str:
        """The name of the first definition whose living value is another; empty if none is."""
        return self._changed_in(self.body, living, "")

    def changed_object(self, node: ast.AST, target: Any) -> str:
        """As `changed`, for one class or function and its statement."""
        if isinstance(node, ast.ClassDef) and isinstance(target, type):
            return self._changed_class(node, target)
        name = str(target.__qualname__)
        return name if self._is_other(node, target, name) else ""

    def _changed_in(self, body: Sequence[ast.stmt], living: Mapping[str, Any], above: str) -> str:
        for name, nodes in _bindings(body).items():
            if name not in living or len(nodes) > 1 or name in self.unclear:
                continue
            if self._is_other(nodes[0], living[name], above + name):
                return above + name
            if isinstance(nodes[0], ast.ClassDef) and isinstance(living[name], type):
                found = self._changed_class(nodes[0], living[name])
                if found:
                    return found
        return ""

    def _changed_class(self, node: ast.ClassDef, kind: type) -> str:
        if type(kind).__module__ not in ("builtins", "abc"):
            # An enumeration or the like makes of its body what it likes.
            return ""
        found = self._changed_in(node.body, vars(kind), f"{kind.__qualname__}.")
        if found or _may_add(node, kind):
            return found
        known = {*_bindings(node.body), *self.unclear}
        for name, value in vars(kind).items():
            function = plain_function(value)
            if name in known or function is None or name.startswith(("__annot", f"_{node.name}__")):
                continue
            home = str(function.__globals__.get("__name__")).partition(".")[0]
            is_generated = function.__code__.co_filename.startswith(GENERATED)
            if not is_generated and home not in sys.stdlib_module_names - {"__main__"}:
                return f"{kind.__qualname__}.{name}"
        return ""

    def _is_other(self, node: ast.AST, value: Any, name: str) -> bool:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            decorated = any(map(_may_replace, node.decorator_list))
            function = plain_function(value)
            if function is None:
                return not decorated
            if any(same_code(function.__code__, code) for code in self.codes.get(name, ())):
                return _other_defaults(node, function)
            # What a decorator made of it has code that counts where it stands.
            return not decorated or "<locals>" not in function.__code__.co_qualname
        if self.whole and isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            return _is_other_literal(node.value, value)
        return False


def _bindings(body: Sequence[ast.stmt]) -> dict[str, list[ast.stmt]]:
    # What gives each name of a class or module its value.
    found: dict[str, list[ast.stmt]] = {}
    for node in body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            found.setdefault(node.name, []).append(node)
        elif isinstance(node, ast.AnnAssign) or (
            isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        ):
            targets = [node.target] if isinstance(node, ast.AnnAssign) else node.targets
            for target in targets:
                if isinstance(target, ast.Name):
                    found.setdefault(target.id, []).append(node)
        else:
            # It cannot be told which of several values it has.
            stored = list(_stored(node))
            for name in [*stored, *(found if "*" in stored else ())]:
                found.setdefault(name, []).extend((node, node))
    return found


def _stored(node: ast.stmt) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            yield inner.name
        elif isinstance(inner, ast.Name) and not isinstance(inner.ctx, ast.Load):
            yield inner.id
        elif isinstance(inner, (ast.Import, ast.ImportFrom)):
            yield from (alias.asname or alias.name for alias in inner.names)


def _may_add(node: ast.ClassDef, kind: type) -> bool:
    # A decorator, a base class and the body may give a class methods; their code counts.
    return (
        any(map(_may_replace, node.decorator_list))
        or any(isinstance(n, ast.Name) and n.id in ("locals", "vars") for n in ast.walk(node))
        or any("__init_subclass__" in vars(base) for base in kind.__mro__[1:-1])
    )


def _may_replace(decorator: ast.expr) -> bool:
    function = decorator.func if isinstance(decorator, ast.Call) else decorator
    return ast.unparse(function).rpartition(".")[2] not in KEEPING


def plain_function(value: Any) -> FunctionType | None:
    """The function that was written, below what decorators made of it; None if there is none."""
    plain = getattr(value, "__func__", None) or getattr(value, "fget", None) or value
    if not isinstance(plain, FunctionType):
        plain = getattr(plain, "__wrapped__", None)
    plain = inspect.unwrap(plain) if isinstance(plain, FunctionType) else None
    return plain if isinstance(plain, FunctionType) else None


def _is_other_literal(node: ast.expr, value: Any) -> bool:
    try:
        written = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    if hasattr(type(value), "__get__"):
        # What `dataclass(slots=True)` and the like put in its place.
        return False
    # What can be changed in place is a cache or a register: its name keeps its value.
    return isinstance(written, (*SCALARS, tuple)) and _constant(written) != _constant(value)


def _other_defaults(node: ast.FunctionDef | ast.AsyncFunctionDef, function: FunctionType) -> bool:
    given = function.__defaults__ or ()
    named = function.__kwdefaults__ or {}
    pairs = [
        *zip(node.args.defaults, given, strict=False),
        *(
            (default, named[argument.arg])
            for argument, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
            if default is not None and argument.arg in named
        ),
    ]
    return len(given) != len(node.args.defaults) or any(_is_other_literal(n, v) for n, v in pairs)


def same_code(one: CodeType, other: CodeType) -> bool:
    """Whether two functions do the same; docstrings and line numbers do not count."""
    return bool(_code(one) == _code(other))


def _code(code: CodeType) -> Any:
    constants = code.co_consts
    named = not code.co_name.startswith("<")
    if code.co_flags & HAS_DOCSTRING or (named and sys.version_info < (3, 13)):
        constants = constants[1:]
    return (
        *(code.co_name, code.co_code, code.co_names, code.co_varnames),
        *(code.co_freevars, code.co_cellvars, code.co_flags & SYNTAX_FLAGS),
        *(code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount),
        code.co_exceptiontable,
        tuple(map(_constant, constants)),
    )


def _constant(value: Any) -> Any:
    # 1, 1.0 and True are equal, and are not the same.
    if isinstance(value, CodeType):
        return _code(value)
    if isinstance(value, tuple):
        return type(value).__name__, tuple(map(_constant, value))
    if isinstance(value, frozenset):
        return "frozenset", frozenset(map(_constant, value))
    return type(value).__name__, repr(value) if isinstance(value, SCALARS) else id(value)
