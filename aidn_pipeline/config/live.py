"""Components of the running program: of a script, a notebook, or a module beside them.

The program has imported them itself, so they need no trust and no `[tool.aidn]`. Their identity is
their source, as read by Python when it was run, and the source of everything of the user's that it
names.
"""

import ast
import contextlib
import inspect
import linecache
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from aidn_pipeline.config.code import INSTALLED, Codebase, distributions, node_digest
from aidn_pipeline.config.introspect import spec_of
from aidn_pipeline.config.memory import Written, plain_function, refuse_stale
from aidn_pipeline.config.project import Project
from aidn_pipeline.config.values import Telling, Untold
from aidn_pipeline.core.component import mark_of
from aidn_pipeline.core.fingerprint import Fingerprint
from aidn_pipeline.core.index import ComponentSpec, Index
from aidn_pipeline.errors import ConfigError

PLAIN = (bool, int, float, complex, str, bytes, type(None))
OURS = "aidn_pipeline"


def with_live(index: Index, targets: Iterable[Any], project: Project) -> Index:
    """The index and the components of the program that it does not have.

    Args:
        index: of the project.
        targets: classes and functions with a mark.
        project: whose modules they may use.

    Raises:
        ConfigError: if one is named like another component, cannot be found again, or its source
            cannot be read.
    """
    specs = [spec for target in targets if (spec := _spec(target, index, project)) is not None]
    return index.merged(specs) if specs else index


def changes_of(before: Index, after: Index, targets: Iterable[Any]) -> Iterator[str]:
    """Sentences about what changed in the identity of components of the program."""
    for target in targets:
        mark = mark_of(target)
        old, new = (i.get(mark.group, mark.name) if mark else None for i in (before, after))
        if old is None or new is None or old.code == new.code:
            continue
        both = {*old.code, *new.code}
        places = sorted(p for p in both if old.code.get(p) != new.code.get(p))
        names = ", ".join(place.partition(":")[2] or place for place in places)
        yield (
            f"{names} changed while the pipeline ran, and is part of what {old.key} is: the next "
            "run will not reuse what this one did; keep a cache or counter inside the component "
            "or in a module that is imported"
        )


def _spec(target: Any, index: Index, project: Project) -> ComponentSpec | None:
    mark = mark_of(target)
    assert mark is not None
    known = index.get(mark.group, mark.name)
    if known is not None:
        if (known.module, known.attribute) == (target.__module__, target.__qualname__):
            return None
        raise ConfigError(
            f"two components are named {known.key}: {known.module}:{known.attribute} "
            f"and {target.__module__}:{target.__qualname__}",
            where=_where(target),
            remedy=f"give this one a name of its own, such as `my_{mark.name}`",
        )
    _refuse_lost(target)
    code = LiveCode(project)
    code.take_object(target)
    spec = spec_of(target)
    packages = tuple(sorted({*spec.packages, *distributions(code.foreign)}))
    return replace(spec, code=dict(sorted(code.digests.items())), packages=packages)


def _refuse_lost(target: Any) -> None:
    module = sys.modules.get(target.__module__)
    found: Any = module
    for part in target.__qualname__.split("."):
        found = getattr(found, part, None)
    if found is target:
        return
    name = target.__qualname__
    if "<locals>" in name:
        raise ConfigError(
            f"{name} is defined inside a function, where nobody finds it again",
            where=_where(target),
            remedy="define it at the top of the script, the cell or a module",
        )
    raise ConfigError(
        f"{name} was defined anew since it was given to the builder",
        where=_where(target),
        remedy=f"call `configure` again with the new {name}",
    )


@dataclass(slots=True)
class LiveCode:
    """What the code of some objects of a program consists of.

    Attributes:
        project: whose modules may be used.
        digests: syntax digest by place: a path, or `__main__:NAME`.
        foreign: top-level names of the modules that are not the user's.
    """

    project: Project
    digests: dict[str, str] = field(default_factory=dict)
    foreign: set[str] = field(default_factory=set)

    def take_object(self, target: Any) -> None:
        """Takes a class or function, and all of the user's that its source names.

        Raises:
            ConfigError: if a source cannot be read, or a value it names has no text of its own.
        """
        module = str(target.__module__)
        if module != "__main__" and getattr(sys.modules[module], "__file__", None):
            self._take_module(module)
            return
        place = f"{module}:{target.__qualname__}"
        if place in self.digests:
            return
        tree, node = definition_of(target)
        _refuse_changed(target, tree, node)
        self.digests[place] = node_digest(node)
        if isinstance(target, type) and not issubclass(target, Enum):
            self._take_attributes(target)
        around = vars(sys.modules[module])
        for name in sorted(_global_names(node) & around.keys()):
            self._take_value(f"{module}:{name}", around[name], target)

    def _take_value(self, place: str, value: Any, owner: Any) -> None:
        if isinstance(value, ModuleType):
            self._take_module(value.__name__)
        elif isinstance(value, (type, FunctionType)):
            if value.__qualname__ != place.partition(":")[2]:
                # The name may come to stand for another one.
                self.digests[place] = Fingerprint.of("name", value.__qualname__).digest
            if value.__module__ == owner.__module__:
                self.take_object(value)
            else:
                self._take_module(str(value.__module__))
        elif _is_plain(value):
            self.digests[place] = Fingerprint.of("constant", _text(value)).digest
        else:
            self._take_other(place, value, owner)

    def _take_other(self, place: str, value: Any, owner: Any) -> None:
        name = place.partition(":")[2]
        try:
            self._take_told(place, value, owner)
        except Untold as untold:
            raise ConfigError(
                f"{owner.__qualname__} uses {name!r}, a {type(value).__name__} whose value cannot "
                f"be told in full ({untold}), so a change of it would go unnoticed",
                where=_where(owner),
                remedy=f"make it inside {owner.__qualname__}, or in a module that is imported",
            ) from untold

    def _take_told(self, place: str, value: Any, owner: Any) -> None:
        telling = Telling()
        text = telling.text(value)
        for code in telling.code:
            if code.__module__ == owner.__module__:
                self.take_object(code)
            else:
                self._take_module(str(code.__module__))
        self.digests[place] = Fingerprint.of("constant", text).digest

    def _take_attributes(self, kind: type) -> None:
        # A program may set them; one that cannot be told counts with the text that makes it.
        for name, value in vars(kind).items():
            is_code = plain_function(value) is not None or hasattr(type(value), "__get__")
            if not (name.startswith("__") or is_code or isinstance(value, type)):
                with contextlib.suppress(Untold):
                    self._take_told(f"{kind.__module__}:{kind.__qualname__}.{name}", value, kind)

    def _take_module(self, name: str) -> None:
        top = name.partition(".")[0]
        file = getattr(sys.modules.get(name), "__file__", None) or ""
        if top in sys.stdlib_module_names or top == OURS:
            return
        if not file.endswith(".py") or _is_installed(Path(file)):
            self.foreign.add(top)
            return
        depth = name.count(".") + (Path(file).name == "__init__.py")
        folder = Path(file).resolve().parents[depth]
        paths = (folder, *self.project.import_paths)
        codebase = Codebase(folder, paths, lambda m: m.partition(".")[0] != OURS)
        code, foreign = codebase.closure(name)
        refuse_stale(codebase.trees)
        self.digests |= code
        self.foreign |= foreign


def _refuse_changed(target: Any, tree: ast.Module, node: ast.stmt) -> None:
    changed = Written.of(tree, whole=False).changed_object(node, target)
    if changed:
        raise ConfigError(
            f"{changed} in memory is not what the source of {target.__qualname__} says, "
            "and a result would be kept under the identity of other code",
            where=_where(target),
            remedy=f"write it in the source of {target.__qualname__}; if that was edited, restart "
            "the program, or run the cell again, and call `configure` again",
        )


def definition_of(target: Any) -> tuple[ast.Module, ast.stmt]:
    """The text and statement that defined a class or function, as read when it was run.

    Raises:
        ConfigError: if its source is gone.
    """
    for tree, line in _sources(target):
        found = [node for node in _definitions(tree) if node[0] == target.__qualname__]
        fitting = [n for _, n in found if line == 0 or n.lineno <= line <= (n.end_lineno or 0)]
        # Decorators stand above the line of the statement itself.
        above = [n for _, n in found if any(d.lineno <= line for d in n.decorator_list)]
        if fitting or above:
            return tree, (fitting or above)[-1]
    raise ConfigError(
        f"the source of {target.__qualname__} cannot be found, so its code has no identity",
        where=f"{target.__module__}.{target.__qualname__}",
        remedy="define it in a file or a notebook cell; a module that is imported always works",
    )


def _global_names(node: ast.stmt) -> set[str]:
    # A local variable may be named like something else that the program has.
    names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    code = compile(ast.Module(body=[node], type_ignores=[]), "<source>", "exec", dont_inherit=True)
    return names & _names_in(code)


def _names_in(code: CodeType) -> set[str]:
    inner = (_names_in(c) for c in code.co_consts if isinstance(c, CodeType))
    return set(code.co_names).union(*inner)


def _sources(target: Any) -> Iterator[tuple[ast.Module, int]]:
    # Texts that may hold the definition, the surest first, and a line inside it if one is known.
    for function in _functions(target):
        lines = linecache.getlines(function.__code__.co_filename, function.__globals__)
        yield from _parsed("".join(lines), function.__code__.co_firstlineno)
    module = sys.modules.get(target.__module__)
    file = getattr(module, "__file__", None)
    if file:
        yield from _parsed("".join(linecache.getlines(file)), 0)
    # A notebook keeps what was run; the newest definition is the one that lives.
    for cell in reversed(getattr(module, "In", ())):
        yield from _parsed(cell, 0)


def _functions(target: Any) -> Iterator[FunctionType]:
    if isinstance(target, FunctionType):
        yield inspect.unwrap(target)
    for member in vars(target).values() if isinstance(target, type) else ():
        plain = plain_function(member)
        if plain is not None and plain.__module__ == target.__module__:
            yield plain


def _parsed(text: str, line: int) -> Iterator[tuple[ast.Module, int]]:
    try:
        tree = ast.parse(text)
    except SyntaxError:
        # A cell with commands of the notebook's own.
        return
    if tree.body:
        yield tree, line


def _definitions(tree: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    for node in tree.body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            name = f"{above}{node.name}"
            yield name, node
            if isinstance(node, ast.ClassDef):
                yield from _definitions(node, f"{name}.")
        elif isinstance(node, (ast.If, ast.Try, ast.With)):
            yield from _definitions(node, above)


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple, set, frozenset)):
        return all(_is_plain(item) for item in value)
    if isinstance(value, Mapping):
        return all(_is_plain(k) and _is_plain(v) for k, v in value.items())
    return isinstance(value, PLAIN)


def _text(value: Any) -> str:
    # The order of a set is that of this process.
    if isinstance(value, (set, frozenset)):
        return f"{type(value).__name__} {sorted(map(_text, value))}"
    if isinstance(value, (list, tuple)):
        return f"{type(value).__name__} {[_text(item) for item in value]}"
    if isinstance(value, Mapping):
        return f"{type(value).__name__} {[(_text(k), _text(v)) for k, v in value.items()]}"
    return repr(value)


def _is_installed(file: Path) -> bool:
    return any(name in file.parts for name in INSTALLED)


def _where(target: Any) -> str:
    for function in _functions(target):
        # What a decorator such as `dataclass` writes has no file.
        if linecache.getlines(function.__code__.co_filename):
            return f"{function.__code__.co_filename}:{function.__code__.co_firstlineno}"
    return f"{target.__module__}.{target.__qualname__}"
