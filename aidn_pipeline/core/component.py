"""Components: what a `use:` name stands for.

A component is one of
- a frozen keyword-only dataclass: its fields are its YAML keys;
- a *factory*, a class or function such as a model or an optimiser: its keyword parameters are its
  YAML keys, kept unbuilt until the place that runs it calls the factory;
- a stage written as a function (see `aidn_pipeline.core.stage`).

`@component(group, name)` marks it. The mark is found by reading the source, never by importing, so
planning needs no component's module.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from functools import wraps
from typing import Any, TypeVar

from aidn_pipeline.core.arrays import weights_text
from aidn_pipeline.errors import WrongType

T = TypeVar("T")
MARK = "__aidn_component__"
MADE = "__aidn_made__"


@dataclass(frozen=True, slots=True)
class Mark:
    """What `@component` leaves on a class or function.

    Attributes:
        group: what it is: `model`, `sampler`, `stage`, ...
        name: the word after `use:`.
        version: bumped when equal fields mean a different result.
        packages: distributions whose version is part of the fingerprint.
        mode: of a metric: `min` or `max`, the better direction.
    """

    group: str
    name: str
    version: int = 1
    packages: tuple[str, ...] = ()
    mode: str = ""


@dataclass(frozen=True, slots=True)
class Made:
    """What an instance of a component class was made with.

    Attributes:
        args: positional arguments.
        kwargs: keyword arguments.
        weights: digest of the parameters and buffers it was made with; empty if it has none.
    """

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    weights: str = ""


def component(
    group: str, name: str, *, version: int = 1, packages: tuple[str, ...] = (), mode: str = ""
) -> Callable[[T], T]:
    """Registers a class or a function as component `name` of `group`."""

    def mark(target: T) -> T:
        setattr(target, MARK, Mark(group, name, version, packages, mode))
        _remember(target)
        return target

    return mark


def _remember(target: Any) -> None:
    # An instance can then be configured again from what it was made with.
    init = vars(target).get("__init__") if isinstance(target, type) else None
    if init is None or is_dataclass(target):
        return

    @wraps(init)
    def remembering(self: Any, *args: Any, **kwargs: Any) -> None:
        outermost = getattr(self, MADE, None) is None
        init(self, *args, **kwargs)
        # One with slots has no room for it: it is not known what it was made with.
        if outermost and hasattr(self, "__dict__"):
            object.__setattr__(self, MADE, Made(args, kwargs, weights_text(self)))

    type.__setattr__(target, "__init__", remembering)


def mark_of(target: object) -> Mark | None:
    """The mark of a component class or function, or of an instance of one."""
    own = vars(target if isinstance(target, type) or callable(target) else type(target)).get(MARK)
    if own is None and not isinstance(target, type):
        own = vars(type(target)).get(MARK)
    return own if isinstance(own, Mark) else None


def setting(
    default: Any = MISSING,
    *,
    default_factory: Any = MISSING,
    group: str | None = None,
    semantic: bool = True,
    extends: bool = False,
    fixed: bool = False,
    masks: str | None = None,
    since: int | None = None,
    content: bool = False,
    least: float | None = None,
    most: float | None = None,
    smoke: Any = None,
) -> Any:
    """A dataclass field with what the planner must know of it.

    Args:
        default: as in `dataclasses.field`.
        default_factory: as in `dataclasses.field`.
        group: the value is a component of this group.
        semantic: whether it can change a result; False never invalidates one.
        extends: a larger value continues from the result of a smaller one.
        fixed: extendable fields of the component held here are ordinary ones in this place.
        masks: the keys of this mapping are dotted paths inside the named field, whose base values
            there are no part of the fingerprint.
        since: format generation at which the field was added; while it equals its default it is
            left out of the fingerprint, so older results stay valid.
        content: the value is a path, relative to the project; the bytes there can change a result.
        least: smallest number it takes.
        most: largest number it takes.
        smoke: its value in a smoke run; None leaves it as configured.
    """
    metadata = {
        "group": group,
        "semantic": semantic,
        "extends": extends,
        "fixed": fixed,
        "masks": masks,
        "since": since,
        "content": content,
        "least": least,
        "most": most,
        "smoke": smoke,
    }
    if default_factory is not MISSING:
        return field(default_factory=default_factory, metadata=metadata)
    return field(default=default, metadata=metadata)


def out_of_range(value: Any, least: float | None, most: float | None) -> tuple[str, float] | None:
    """What is wrong with a number, in words, and the nearest one that is right; else None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if least is not None and value < least:
        return f"is {value}, the least is {least}", least
    if most is not None and value > most:
        return f"is {value}, the most is {most}", most
    return None


def check_ranges(component: Any) -> None:
    """Checks the numbers of a dataclass against `least` and `most` of its settings.

    Raises:
        WrongType: for the first that is out of its range.
    """
    for item in fields(component):
        bounds = item.metadata.get("least"), item.metadata.get("most")
        found = out_of_range(getattr(component, item.name), *bounds)
        if found is not None:
            problem, nearest = found
            raise WrongType(
                f"{item.name} {problem}", where=item.name, remedy=f"write {item.name}={nearest}"
            )


@dataclass(frozen=True, slots=True)
class Factory:
    """A component that is called where it runs, with its configured arguments kept here.

    Attributes:
        group: as in the index.
        name: as in the index.
        target: the class or function.
        arguments: configured keyword arguments; nested components are already built.
        wants_signature: names of the parameters that get the prepared data's `Signature`.
    """

    group: str
    name: str
    target: Callable[..., Any]
    arguments: Mapping[str, Any]
    wants_signature: tuple[str, ...] = ()

    def __call__(self, *args: Any, signature: object = None, **more: Any) -> Any:
        """Calls the target; `signature` goes to the parameters annotated `Signature`."""
        handed = dict.fromkeys(self.wants_signature, signature)
        return self.target(*args, **handed, **self.arguments, **more)
