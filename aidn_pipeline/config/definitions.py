"""What a file of code defines, each with a digest of its own: to name what has changed in it."""

import ast
from collections.abc import Iterator

from aidn_pipeline.config.code import node_digest

REST = "(module)"
"""Imports, constants and everything else outside of functions and classes."""
DIGITS = 12
"""Hexadecimal digits of a digest; it names a change, the file's own digest finds it."""
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def definitions(source: str) -> dict[str, str]:
    """Short digests of the functions, classes and methods of a module, and of the rest of it.

    Docstrings, comments and positions do not count, as in the digest of the whole file.

    Raises:
        SyntaxError: if it is no Python.
    """
    found: dict[str, str] = {}
    for name, node in _parts(ast.parse(source)):
        key, number = name, 1
        while key in found:
            number += 1
            key = f"{name}#{number}"
        found[key] = node_digest(node).removeprefix("b3:")[:DIGITS]
    return dict(sorted(found.items()))


def _parts(module: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    rest: list[ast.stmt] = []
    for node in module.body:
        if isinstance(node, FUNCTIONS):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from _class(node)
        else:
            rest.append(node)
    yield REST, ast.Module(body=rest, type_ignores=[])


def _class(node: ast.ClassDef) -> Iterator[tuple[str, ast.AST]]:
    methods = [inner for inner in node.body if isinstance(inner, FUNCTIONS)]
    yield from ((f"{node.name}.{method.name}", method) for method in methods)
    without = {name: getattr(node, name) for name in node._fields}
    without["body"] = [inner for inner in node.body if inner not in methods]
    yield node.name, ast.ClassDef(**without)
