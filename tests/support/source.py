"""The package's own source, parsed once, for the tests of its shape."""

import ast
import io
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "aidn_pipeline"
FILES = sorted(PACKAGE.rglob("*.py"))
Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef


def name_of(path: Path) -> str:
    """A file's name in a test id."""
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


@cache
def code_lines(path: Path) -> frozenset[int]:
    """Numbers of the lines that hold code: no blank lines, comments or docstrings."""
    lines: set[int] = set()
    silent = {
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENCODING,
        tokenize.ENDMARKER,
    }
    for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline):
        if token.type not in silent:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(tree(path)):
        body = getattr(node, "body", None)
        if isinstance(node, ast.Module | ast.ClassDef | Function) and body and is_text(body[0]):
            lines.difference_update(range(body[0].lineno, body[0].end_lineno + 1))
    return frozenset(lines)


def is_text(node: ast.stmt) -> bool:
    """Whether a statement is a string and nothing else."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def size(path: Path, node: Definition) -> int:
    """Code lines of a definition."""
    return len(code_lines(path) & set(range(node.lineno, (node.end_lineno or node.lineno) + 1)))


def functions(path: Path) -> Iterator[Function]:
    """Every function and method of a file."""
    return (node for node in ast.walk(tree(path)) if isinstance(node, Function))


def classes(path: Path) -> Iterator[ast.ClassDef]:
    """Every class of a file."""
    return (node for node in ast.walk(tree(path)) if isinstance(node, ast.ClassDef))


def public_definitions(path: Path) -> Iterator[Definition]:
    """Functions and classes at the top of a file, and methods of its classes, without `_`."""
    for node in tree(path).body:
        if not isinstance(node, Definition) or node.name.startswith("_"):
            continue
        yield node
        if isinstance(node, ast.ClassDef):
            methods = (n for n in node.body if isinstance(n, Function))
            yield from (n for n in methods if not n.name.startswith("_"))


def imported_modules(path: Path) -> set[str]:
    """Modules that a file imports, wherever the import stands."""
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add("." * node.level + (node.module or ""))
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found
