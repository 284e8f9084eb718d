"""The identity of code: what a module and the project's modules it imports say, read, not run.

The walk is our own: `ast.dump` differs between Python versions, and a docstring, a comment or a
line break changes no result.
"""

import ast
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from aidn_pipeline.core.fingerprint import Fingerprint, digest_bytes
from aidn_pipeline.errors import ConfigError

COUNTED_ELSEWHERE = frozenset({"aidn_pipeline", "torch", "numpy"})
"""Packages whose version is recorded with every result, or is our own."""
TOP_LEVEL = re.compile(r"^([A-Za-z_]\w*)[/.]", re.MULTILINE)
"""The first name of a path in a list of installed files, if it can be imported."""
INSTALLED = ("site-packages", "dist-packages")
"""Folders of what is installed, and counted by its version."""
IGNORED = frozenset({"ctx", "kind", "type_comment", "type_ignores"})
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def syntax_digest(source: str) -> str:
    """Digest of what a module says, without docstrings, comments and positions.

    Raises:
        SyntaxError: if it is no Python.
    """
    try:
        return node_digest(ast.parse(source))
    except RecursionError:
        # A generated expression deeper than the stack: its bytes are its identity.
        return digest_bytes(source.encode())


def node_digest(node: ast.AST) -> str:
    """Digest of a part of a syntax tree, by the same rules."""
    return str(Fingerprint.of("syntax", _walk(node)))


def _walk(node: Any) -> Any:
    if isinstance(node, ast.Constant):
        return ["Constant", type(node.value).__name__, repr(node.value)]
    if isinstance(node, ast.AST):
        found: list[Any] = [type(node).__name__]
        for name in sorted(node._fields):
            value = getattr(node, name, None)
            if name == "body" and isinstance(node, DOCUMENTED):
                value = _without_docstring(node)
            # Fields that a later Python adds are empty in older code.
            if name not in IGNORED and value is not None and value != []:
                found.append([name, _walk(value)])
        return found
    if isinstance(node, list):
        return [_walk(item) for item in node]
    return node if isinstance(node, (str, int)) else repr(node)


def _without_docstring(node: Any) -> list[ast.stmt]:
    body: list[ast.stmt] = node.body
    return body[1:] if ast.get_docstring(node, clean=False) is not None else body


@dataclass(slots=True)
class Codebase:
    """Modules below some folders, found by name without importing anything.

    Attributes:
        root: paths in results are relative to it.
        import_paths: folders that modules are imported from.
        counts: whether a module's code is part of what imports it.
        installed: folders of packages that are named but lie elsewhere, by top-level name; paths
            of their files in results are relative to these.
    """

    root: Path
    import_paths: Sequence[Path]
    counts: Callable[[str], bool] = lambda _: True
    installed: Mapping[str, Path] = field(default_factory=dict)
    _parsed: dict[Path, tuple[str, ast.Module]] = field(default_factory=dict)
    _digests: dict[Path, str] = field(default_factory=dict)

    def file_of(self, module: str) -> Path | None:
        """The file a module is read from; None if it lies elsewhere."""
        for folder in self._folders(module):
            base = folder.joinpath(*module.split("."))
            for file in (base / "__init__.py", base.with_suffix(".py")):
                if file.is_file():
                    return file
        return None

    def modules_of(self, package: str) -> Iterator[tuple[str, Path]]:
        """All modules of a package with their files, sorted; a single module is one."""
        file = self.file_of(package)
        if file is None and not any((p / package).is_dir() for p in self._folders(package)):
            raise ConfigError(
                f"there is no package {package!r} in this project, and none is installed",
                where=f"{self.root / 'pyproject.toml'} ([tool.aidn] packages)",
                remedy=f"correct the name, create `{package}/__init__.py`, or install it",
            )
        if file is not None and file.name != "__init__.py":
            yield package, file
            return
        for folder in self._folders(package):
            for file in sorted((folder / package).rglob("*.py")):
                parts = file.relative_to(folder).with_suffix("").parts
                yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), file

    def _folders(self, module: str) -> tuple[Path, ...]:
        home = self.installed.get(module.partition(".")[0])
        return (*self.import_paths, home) if home else tuple(self.import_paths)

    def path_of(self, file: Path) -> str:
        """The path of a file in results."""
        for folder in (self.root, *self.installed.values()):
            if file.is_relative_to(folder):
                return file.relative_to(folder).as_posix()
        return file.as_posix()

    def files(self, module: str) -> Iterator[Path]:
        """The files that a module's code consists of."""
        homes = (self.root, *self.installed.values())
        for path in self.closure(module)[0]:
            yield next((h / path for h in homes if (h / path).is_file()), Path(path))

    def tree(self, file: Path) -> tuple[str, ast.Module]:
        """Source and syntax tree of a file.

        Raises:
            ConfigError: if it is no Python, with its line.
        """
        if file not in self._parsed:
            try:
                source = file.read_text(encoding="utf-8")
                self._parsed[file] = source, ast.parse(source)
            except SyntaxError as problem:
                raise ConfigError(
                    f"this is no Python: {problem.msg}",
                    where=f"{file}:{problem.lineno}",
                    remedy="correct the line",
                ) from problem
            except (OSError, ValueError) as problem:
                raise ConfigError(
                    f"the file cannot be read: {problem}", where=str(file)
                ) from problem
        return self._parsed[file]

    @property
    def trees(self) -> dict[Path, ast.Module]:
        """Syntax trees of the files that were read so far."""
        return {file: tree for file, (_, tree) in self._parsed.items()}

    def digest(self, file: Path) -> str:
        """Syntax digest of a file."""
        if file not in self._digests:
            self._digests[file] = syntax_digest(self.tree(file)[0])
        return self._digests[file]

    def closure(self, module: str) -> tuple[dict[str, str], set[str]]:
        """What a module's code consists of.

        Returns:
            Syntax digest by path of the module and, transitively, of what it imports from the
            folders; top-level names of everything else it imports.
        """
        code: dict[str, str] = {}
        foreign: set[str] = set()
        waiting, seen = [module], set[str]()
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            file = self.file_of(name)
            if file is None:
                continue
            if self.counts(name):
                code[self.path_of(file)] = self.digest(file)
                waiting += _ancestors(name)
                inner, outer = self._split(
                    _imports(self.tree(file)[1], name, file.name == "__init__.py")
                )
                waiting += inner
                foreign |= outer
        return dict(sorted(code.items())), foreign

    def _split(self, imported: Iterator[str]) -> tuple[list[str], set[str]]:
        own: list[str] = []
        foreign: set[str] = set()
        for name in imported:
            top = name.partition(".")[0]
            if self.file_of(top) or any((path / top).is_dir() for path in self._folders(top)):
                own += [name, *_ancestors(name)]
            elif top not in sys.stdlib_module_names:
                foreign.add(top)
        return own, foreign


def installed_folder(package: str) -> Path | None:
    """The folder that an installed package is imported from, looked up and not imported."""
    spec = PathFinder.find_spec(package)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    file = Path(spec.origin)
    return file.parent.parent if file.name == "__init__.py" else file.parent


def distributions(modules: set[str]) -> tuple[str, ...]:
    """Installed distributions that provide top-level modules, without those counted elsewhere."""
    foreign = modules - COUNTED_ELSEWHERE
    if not foreign:
        return ()
    folders = (Path(path) for path in sys.path if path.endswith(INSTALLED))
    provided = _provided(tuple((str(f), f.stat().st_mtime_ns) for f in folders if f.is_dir()))
    return tuple(sorted({each.name for module in foreign for each in provided.get(module, ())}))


@cache
def _provided(_folders: tuple[tuple[str, int], ...]) -> Mapping[str, list[Any]]:
    # `packages_distributions` parses every line of every list of files, which takes ten times as
    # long, at the start of each command.
    provided: dict[str, list[Any]] = {}
    # It brings the parser of mails with it.
    metadata: Any = import_module("importlib.metadata")
    for each in metadata.distributions():
        declared = (each.read_text("top_level.txt") or "").split()
        listed = declared or TOP_LEVEL.findall(each.read_text("RECORD") or "")
        for module in set(listed):
            provided.setdefault(module, []).append(each)
    return provided


def _imports(tree: ast.Module, module: str, is_package: bool) -> Iterator[str]:
    # A name imported from a package may be a module of it: both are tried.
    package = module if is_package else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base]).strip(".")
            if base:
                yield base
                yield from (f"{base}.{alias.name}" for alias in node.names)


def _ancestors(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:n]) for n in range(1, len(parts))]
