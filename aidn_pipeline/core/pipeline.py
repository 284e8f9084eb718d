"""A pipeline as a value: stages wired port to port."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from aidn_pipeline.core.stage import Description

REFERENCE = re.compile(
    r"(?P<stage>[^.\[\]]+(?:\[[^\[\]]+\])?)\.(?P<port>[^.\[\]]+?)(?P<optional>\?)?"
)
"""A stage, or a cell of one (`train[fold=0]`), and its port."""

STAGE_KEYS = ("inputs", "matrix", "when", "on_failure", "resources", "timeout_s", "retries")
"""Keys of every stage beside the fields of its component."""


@dataclass(frozen=True, slots=True)
class PortRef:
    """`stage.port`, as written under `inputs:`; `?` at the end marks one that may be missing.

    Attributes:
        cell: of one of those that a `[*]` stands for, its values by axis; else None.
    """

    stage: str
    port: str
    optional: bool = False
    cell: tuple[tuple[str, Any], ...] | None = None

    @classmethod
    def parse(cls, text: str) -> "PortRef":
        """Reads `stage.port` or `stage.port?`; the stage may be a cell, `train[fold=0]`.

        Raises:
            ValueError: if it is neither.
        """
        found = REFERENCE.fullmatch(text)
        if found is None:
            raise ValueError(text)
        return cls(found["stage"], found["port"], found["optional"] is not None)

    def __str__(self) -> str:
        return f"{self.stage}.{self.port}" + ("?" if self.optional else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a stage takes up while it runs.

    Attributes:
        cpu: cores.
        gpu: whole devices.
        memory: in bytes.
        mutex: names; two stages with one in common never run at the same time.
    """

    cpu: float = 1.0
    gpu: int = 0
    memory: int = 0
    mutex: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """When a stage that failed is tried again in the same run.

    Attributes:
        times: at most, after the first try.
        backoff_s: seconds before the second try; twice as long before each further one.
        on: names of the errors, or of those they derive from or came from; empty for any.
    """

    times: int = 0
    backoff_s: float = 1.0
    on: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSpec:
    """One stage of a pipeline.

    Attributes:
        name: its key under `stages:`; no part of its fingerprint.
        stage: complete description, every field with its value.
        inputs: references by port; several only for a port that takes many.
        cell: its values by axis, if it is one cell of a matrix.
        skip: why it is not run at all; empty if it is.
        taken: fingerprint of the work whose results are taken for its own, whatever it would come
            to now; empty if it is done as usual.
        on_failure: `continue` lets the run go on without it where its results are gathered.
        resources: what it takes up while it runs.
        timeout_s: seconds after which a try of it is ended; None for no limit.
        retries: when it is tried again.
    """

    name: str
    stage: Description
    inputs: Mapping[str, tuple[PortRef, ...]] = field(default_factory=dict)
    cell: Mapping[str, Any] = field(default_factory=dict)
    skip: str = ""
    taken: str = ""
    on_failure: Literal["stop", "continue"] = "stop"
    resources: Claim = Claim()
    timeout_s: float | None = None
    retries: Retries = Retries()


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineSpec:
    """What a recipe or a builder compiles to.

    Attributes:
        name: what the recipe calls itself, and its models.
        recipe: the name it was loaded by; its runs are compared with each other.
        stages: by name, in written order.
        seed: of the whole pipeline.
        origins: `file:line` or `override` of each config path, for messages.
        run: the `run.*` keys.
        notes: what a plan should say of the composition: pinned keys, hidden files.
        warnings: values that YAML reads as something else than they may be meant as.
        environment: environment variables the recipe asks for, with their values; None if not set.
    """

    name: str
    stages: Mapping[str, StageSpec]
    recipe: str = ""
    seed: int = 0
    origins: Mapping[str, str] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    environment: Mapping[str, str | None] = field(default_factory=dict)
