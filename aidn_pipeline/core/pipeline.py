"""A pipeline as a value: stages wired port to port."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aidn_pipeline.core.stage import Description


@dataclass(frozen=True, slots=True)
class PortRef:
    """`stage.port`, as written under `inputs:`; `?` at the end marks one that may be missing."""

    stage: str
    port: str
    optional: bool = False

    @classmethod
    def parse(cls, text: str) -> "PortRef":
        """Reads `stage.port` or `stage.port?`.

        Raises:
            ValueError: if it is neither.
        """
        stage, dot, port = text.removesuffix("?").partition(".")
        if not (dot and stage and port) or "." in port:
            raise ValueError(text)
        return cls(stage, port, text.endswith("?"))

    def __str__(self) -> str:
        return f"{self.stage}.{self.port}" + ("?" if self.optional else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSpec:
    """One stage of a pipeline.

    Attributes:
        name: its key under `stages:`; no part of its fingerprint.
        stage: complete description, every field with its value.
        inputs: references by port; several only for a port that takes many.
    """

    name: str
    stage: Description
    inputs: Mapping[str, tuple[PortRef, ...]] = field(default_factory=dict)


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
        environment: environment variables the recipe read, with their values.
    """

    name: str
    stages: Mapping[str, StageSpec]
    recipe: str = ""
    seed: int = 0
    origins: Mapping[str, str] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
