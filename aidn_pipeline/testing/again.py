"""A stage performed by a fresh interpreter with another hash seed.

    python -m aidn_pipeline.testing.again < job.json

The order of a set, and of what is made from one, is another in every process: what depends on it
shows here and nowhere else.
"""

import importlib.util
import inspect
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aidn_pipeline.core.artifact import Artifact, artifact_from_json
from aidn_pipeline.core.describe import load_target
from aidn_pipeline.core.index import ComponentSpec
from aidn_pipeline.errors import StageFailed
from aidn_pipeline.testing.clauses import does_not_concern
from aidn_pipeline.testing.performing import Place, Result, perform
from aidn_pipeline.testing.subject import Subject, shipped
from aidn_pipeline.testing.watch import elsewhere

SEEDS = ("1", "2")
TIMEOUT_S = 300.0


def perform_again(subject: Subject, place: Place) -> Result:
    """Performs the stage in a process of its own.

    Raises:
        SkipTest: if the stage is defined where no other process can import it.
        StageFailed: if it does not get through there.
    """
    own = [spec for spec in subject.index if shipped().get(spec.group, spec.name) != spec]
    job = {
        "path": sys.path,
        "own": [[spec.to_json(), _file(spec)] for spec in own],
        "key": [subject.spec.group, subject.spec.name],
        "description": subject.description,
        "folder": str(place.folder),
        "inputs": {port: _plain(given) for port, given in place.inputs.items()},
    }
    seed = SEEDS[os.environ.get("PYTHONHASHSEED") == SEEDS[0]]
    done = subprocess.run(
        # The path is this process's: the working folder is not put before it.
        [sys.executable, "-P", "-m", "aidn_pipeline.testing.again"],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
        env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    if done.returncode:
        raise StageFailed(
            f"{subject.spec.key} does not get through in a process of its own:\n{done.stderr}",
            where=subject.where,
        )
    return Result(json.loads(done.stdout.splitlines()[-1]))


def main() -> int:
    """Reads a job on stdin and writes the ids of the files that were made."""
    job = json.load(sys.stdin)
    sys.path[:] = job["path"]
    specs = []
    for value, file in job["own"]:
        specs.append(ComponentSpec.from_json(value))
        _make_importable(specs[-1].module, file)
    index = shipped().merged(specs)
    subject = Subject(index.find(*job["key"]), job["description"], index)
    place = Place(
        Path(job["folder"]), {port: _artifacts(given) for port, given in job["inputs"].items()}
    )
    with elsewhere(1, place.folder.parent):
        result = Result.of(place, perform(subject, place).record.outputs)
    sys.stdout.write(f"\n{json.dumps(dict(result.files))}\n")
    return 0


def _file(spec: ComponentSpec) -> str:
    if "<locals>" in spec.attribute or spec.module == "__main__":
        raise does_not_concern("it is defined where no other process can import it")
    return inspect.getsourcefile(load_target(spec)) or ""


def _make_importable(module: str, file: str) -> None:
    """Loads a module from its file if nothing on the path has its name, as for a test's module."""
    try:
        found = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        found = None
    if found is None:
        spec = importlib.util.spec_from_file_location(module, file)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[module] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[module])


def _plain(given: Artifact | tuple[Artifact, ...]) -> Any:
    return [a.to_json() for a in given] if isinstance(given, tuple) else given.to_json()


def _artifacts(given: list[Any] | Mapping[str, Any]) -> Any:
    if isinstance(given, list):
        return tuple(artifact_from_json(value) for value in given)
    return artifact_from_json(dict(given))


if __name__ == "__main__":
    sys.exit(main())
