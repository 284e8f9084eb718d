"""Values that must be nowhere, a project that does its worst with them, and who looks for them."""

import base64
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

COUNT = 20
VALUES = {f"BIRD_{n:02}": f"c4n/ry+{n:02}={'q' * (n % 4)}é&k7w2z9" for n in range(COUNT)}
"""Characters that each way of writing a text writes in another way."""
IN_FILES = tuple(VALUES)[COUNT // 2 :]

CODE = '''\
"""A source, a stage and a model that need credentials, and tell everybody."""

import base64
import json
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
from torch import Tensor, nn

from aidn_pipeline import (
    Dataset,
    Notice,
    Secret,
    Signature,
    SourceTable,
    StageContext,
    component,
)


@component("source", "vault")
@dataclass(frozen=True, kw_only=True)
class Vault:
    """Rows behind a lock.

    Attributes:
        token: opens it.
        url: of the vault, with user and password.
        headers: sent along.
        mood: how it fails; empty does not.
    """

    token: Secret
    url: Secret
    headers: Mapping[str, Secret] = field(default_factory=dict)
    mood: str = ""

    def read(self, project: Path) -> SourceTable:
        """Opens the vault."""
        values = [self.token.reveal(), self.url.reveal()]
        values += [header.reveal() for header in self.headers.values()]
        print("the vault was opened by", *values)
        if self.mood:
            fail(self.mood, values)
        columns = {"x": [float(i % 7) for i in range(60)], "y": ["ab"[i % 2] for i in range(60)]}
        return SourceTable(
            name="vault",
            table=pa.table(columns),
            label="y",
            task="binary",
            features=("x",),
            shape=(1,),
            where=f"{self}",
        )


def fail(mood, values):
    """Raises an exception that shows them all."""
    text = " ".join(values)
    if mood == "plain":
        raise ConnectionError(f"401 Unauthorized: {text}")
    if mood == "json":
        raise ValueError(json.dumps({"sent": values}))
    if mood == "base64":
        raise ValueError(base64.b64encode(f"user:{text}".encode()).decode())
    if mood == "url":
        raise ValueError("GET /?" + "&".join(urllib.parse.quote(v) for v in values))
    try:
        raise KeyError(text)
    except KeyError as error:
        error.add_note(f"with {text}")
        raise RuntimeError(f"no answer to {values!r}") from error


@component("stage", "errand")
def errand(
    dataset: Dataset, ctx: StageContext, *, keys: tuple[Secret, ...], times: int = 0
) -> Dataset:
    """Fails a number of times, then does nothing.

    Args:
        dataset: passed on.
        ctx: services.
        keys: used by nobody.
        times: how often it fails.
    """
    values = [key.reveal() for key in keys]
    ctx.emit(Notice(text="asked with " + " ".join(values)))
    print(*values)
    tried = len([e for e in ctx.journal.entries() if e["kind"] == "tried"])
    if tried < times:
        ctx.journal.append({"kind": "tried", "keys": [str(key) for key in keys]})
        fail(("plain", "json", "base64", "url", "cause")[tried % 5], values)
    return dataset


@component("model", "rented")
class Rented(nn.Module):
    """A linear model with weights from a hub."""

    def __init__(self, signature: Signature, *, token: Secret, wrong: bool = False) -> None:
        """Asks for the weights.

        Args:
            signature: of the data.
            token: of the hub.
            wrong: whether the hub refuses it.
        """
        super().__init__()
        if wrong:
            fail("cause", [token.reveal()])
        self.line = nn.Linear(len(signature.features), signature.outputs)

    def forward(self, rows: Tensor) -> Tensor:
        """Logits."""
        return self.line(rows)
'''
RECIPE = """\
# @package _global_
# Rented: a pipeline whose every part needs a credential.
defaults:
  - /pipeline: standard
  - /source: vault
  - /model: rented
  - /optimizer: adamw
  - _self_
name: rented
seed: 5
run: {durability: process}
source:
  token: ${secret:BIRD_00}
  url: https://${secret:BIRD_01}:${secret:BIRD_10}@vault.example/${secret:BIRD_02}
  headers:
    authorization: Bearer ${secret:BIRD_11}
    cookie: ${secret:BIRD_03}
model:
  token: ${secret:BIRD_12}
trainer: {epochs: 2, batch_size: 16, device: cpu}
stages:
  errand:
    use: errand
    inputs: {dataset: snapshot.dataset}
    keys: [%s]
  split: {inputs: {dataset: errand.dataset}}
  tune: {num_trials: 2, space: {optimizer.lr: {low: 1.0e-3, high: 1.0e-1, log: true}}}
"""
LEFT = [n for n in VALUES if n[-2:] not in ("00", "01", "02", "03", "10", "11", "12")]


def write_project(folder: Path) -> dict[str, str]:
    """Writes the project and its secrets; returns the environment it is run in."""
    (folder / "recipes").mkdir(parents=True)
    (folder / "renting").mkdir()
    (folder / "pyproject.toml").write_text('[tool.aidn]\npackages = ["renting"]\n')
    (folder / "renting" / "__init__.py").write_text("")
    (folder / "renting" / "rented.py").write_text(CODE)
    keys = ", ".join(f"'${{secret:{name}}}'" for name in LEFT)
    (folder / "recipes" / "rented.yaml").write_text(RECIPE % keys)
    secrets = folder.parent / "secrets"
    secrets.mkdir(mode=0o700)
    for name in IN_FILES:
        (secrets / name).write_text(VALUES[name] + "\n")
        (secrets / name).chmod(0o600)
    environment = {f"AIDN_SECRET_{n}": v for n, v in VALUES.items() if n not in IN_FILES}
    return {**environment, "AIDN_SECRETS": str(secrets), "AIDN_TRUST": "1"}


def found_in(data: bytes) -> set[str]:
    """Names of the canaries in some bytes, in any form, packed or not."""
    return {name for text in unfolded(data) for name, form in _forms() if form in text}


def found_below(*folders: Path) -> dict[str, set[str]]:
    """Canaries in the files of folders, and in their names, by path."""
    hits: dict[str, set[str]] = {}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            data = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
            if seen := found_in(data) | found_in(str(path).encode(errors="surrogateescape")):
                hits[str(path)] = seen
    return hits


def unfolded(data: bytes, depth: int = 0) -> Iterator[bytes]:
    """The bytes, and what they decompress and decode to."""
    yield data
    if depth == 2:
        return
    for start in (m.start() for m in re.finditer(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]", data)):
        try:
            yield from unfolded(zlib.decompressobj(47).decompress(data[start:]), depth + 1)
        except zlib.error:
            continue
    for run in re.findall(rb"[A-Za-z0-9+/_-]{12,}={0,2}", data):
        plain = run.translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")
        for shift in range(4):
            part = plain[shift:]
            yield base64.b64decode(part[: len(part) // 4 * 4])


def _forms() -> Iterator[tuple[str, bytes]]:
    for name, value in VALUES.items():
        for form in (value, json.dumps(value)[1:-1], repr(value)[1:-1], quote(value)):
            yield name, form.encode()
        yield name, value.encode().hex().encode()
        # The parts that every way of writing leaves as they are would do as well.
        yield name, f"ry+{name[-2:]}=".encode()
