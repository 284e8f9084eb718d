"""Imports a trusted project's modules in a process of its own and prints their index entries.

    python -m aidn_pipeline.config.introspect_modules < request.json

The request is `{"root": folder, "paths": [folder], "components": [[module, attribute], ...],
"external": {key: "module:attribute"}}`; the answer `{"specs": [...]}` or `{"error": {...}}`.
"""

import contextlib
import importlib
import json
import os
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from aidn_pipeline.config.introspect import spec_of, spec_of_external
from aidn_pipeline.core.index import ComponentSpec
from aidn_pipeline.errors import AidnError, ConfigError


def answer(request: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to a request; what the modules print goes to stderr."""
    os.chdir(request["root"])
    # An edit within the second would be taken for what is compiled here.
    sys.dont_write_bytecode = True
    sys.path[:0] = request["paths"]
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return {"specs": [spec.to_json() for spec in _specs(request)]}
    except AidnError as problem:
        return {"error": problem.to_json()}


def _specs(request: Mapping[str, Any]) -> Iterator[ComponentSpec]:
    for module, attribute in request["components"]:
        try:
            target = getattr(importlib.import_module(module), attribute)
        except (Exception, SystemExit) as problem:
            # The project's own code may raise anything; it is told with the module's name.
            raise ConfigError(
                f"module {module} cannot be imported: {type(problem).__name__}: {problem}",
                where=_place(problem, request["paths"]) or module,
                remedy=_remedy(problem, module),
            ) from problem
        yield spec_of(target, module=module)
    for key, path in request["external"].items():
        yield spec_of_external(key, path)


def _place(problem: BaseException, folders: Sequence[str]) -> str:
    # The project's innermost line; the frames below it are of some library.
    if isinstance(problem, SyntaxError) and problem.filename:
        return f"{problem.filename}:{problem.lineno}"
    places = [
        f"{frame.filename}:{frame.lineno}"
        for frame in traceback.extract_tb(problem.__traceback__)
        if any(Path(frame.filename).is_relative_to(folder) for folder in folders)
    ]
    return places[-1] if places else ""


def _remedy(problem: BaseException, module: str) -> str:
    if isinstance(problem, ModuleNotFoundError) and problem.name:
        return f"install what provides {problem.name!r}, or correct the import"
    if isinstance(problem, SystemExit):
        return "put what ends the program under `if __name__ == '__main__':`"
    return f"correct the line; `python -c 'import {module}'` shows the whole message"


if __name__ == "__main__":
    json.dump(answer(json.load(sys.stdin)), sys.stdout)
