"""What a source file consists of, so that a change in it has a name: a function, a class, a method.

An outline is kept for each version of a file that was read; two of them tell what changed, when the
older text is long gone.
"""

import ast
import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from aidn_pipeline.config.code import node_digest

MODULE = ""
"""The part of a module that is neither a function nor a class."""
BODY = "."
"""Ends the name of what a class says beside its methods."""
MOST = 5000
"""Outlines that are kept."""
Outline = Mapping[str, str]
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def outline(module: ast.Module) -> Outline:
    """Digests of a module's parts by name: `f`, `C.method`, `C.` for the rest of a class."""
    found: dict[str, list[str]] = {}
    for name, node in _parts(module):
        found.setdefault(name, []).append(node_digest(node))
    return {name: "+".join(digests) for name, digests in found.items()}


def _parts(module: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    for node in module.body:
        if isinstance(node, FUNCTIONS):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            methods = [inner for inner in node.body if isinstance(inner, FUNCTIONS)]
            yield from ((f"{node.name}.{inner.name}", inner) for inner in methods)
            rest = [inner for inner in node.body if inner not in methods]
            yield f"{node.name}{BODY}", _like(node, rest)
        elif not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Constant):
            yield MODULE, node


def _like(node: ast.ClassDef, body: list[ast.stmt]) -> ast.ClassDef:
    parts = {name: getattr(node, name) for name in node._fields if name != "body"}
    return ast.ClassDef(**parts, body=body)


def changed_parts(old: Outline, new: Outline) -> list[str]:
    """What changed between two versions of a file, by name."""
    found = []
    names = [*new, *(name for name in old if name not in new)]
    for name in names:
        if old.get(name) == new.get(name):
            continue
        said = _called(name)
        if name not in old:
            said = f"{said} is new"
        elif name not in new:
            said = f"{said} is gone"
        found.append(said)
    return found


def _called(name: str) -> str:
    if name == MODULE:
        return "module level"
    if name.endswith(BODY):
        return f"class {name.removesuffix(BODY)}"
    return f"{name}()"


def remember(folder: Path, digest: str, module: ast.Module) -> None:
    """Keeps the outline of a file of that syntax digest; a folder that cannot be written is let be.

    Args:
        folder: of the outlines.
        digest: of the file.
        module: its syntax tree.
    """
    target = _file(folder, digest)
    if target.exists():
        return
    temporary = target.with_name(f"{target.name}.{os.getpid()}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _forget_oldest(folder)
        temporary.write_text(json.dumps(outline(module)), encoding="utf-8")
        temporary.replace(target)
    except (OSError, RecursionError):
        # Only a name in an explanation is lost.
        with contextlib.suppress(OSError):
            temporary.unlink()


def _forget_oldest(folder: Path) -> None:
    kept = list(folder.iterdir())
    if len(kept) >= MOST:
        kept.sort(key=lambda file: file.stat().st_mtime)
        for file in kept[: MOST // 2]:
            file.unlink(missing_ok=True)


def recalled(folder: Path, digest: str) -> Outline | None:
    """The outline of a file of that digest; None if it was never kept, or is none."""
    try:
        found = json.loads(_file(folder, digest).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    texts = isinstance(found, dict) and all(isinstance(value, str) for value in found.values())
    return found if texts else None


def _file(folder: Path, digest: str) -> Path:
    name = digest.removeprefix("b3:")[:40]
    # A record from a stranger may name any path.
    return folder / f"{name if name.isalnum() else 'none'}.json"
