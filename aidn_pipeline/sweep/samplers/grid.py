"""Every combination of a few values per param."""

from collections.abc import Mapping
from dataclasses import dataclass

from numpy.random import Generator

from aidn_pipeline.core.component import check_ranges, component, setting
from aidn_pipeline.core.fingerprint import JSON
from aidn_pipeline.errors import WrongType
from aidn_pipeline.sweep.space import Space
from aidn_pipeline.sweep.trial import History


@component("sampler", "grid")
@dataclass(frozen=True, kw_only=True, slots=True)
class GridSampler:
    """Tries every point of a grid once, then the sweep ends.

    Attributes:
        num: points of a numeric param with more values than that; evenly spaced, with both
            ends.
        shuffle: in random order instead of the last key changing fastest; allows a `num_trials`
            that does not cover the grid.
    """

    num: int = setting(5, least=1)
    shuffle: bool = False

    def __post_init__(self) -> None:
        check_ranges(self)

    def propose(self, space: Space, history: History, rng: Generator) -> Mapping[str, JSON] | None:
        """A point without a trial; None when all have one."""
        grid = space.grid(self.num)
        points = (grid.point(i) for i in range(grid.size or 0))
        left = (point for point in points if not history.seen(point))
        if not self.shuffle:
            return next(left, None)
        rest = list(left)
        return rest[int(rng.integers(len(rest)))] if rest else None

    def check(self, space: Space, num_trials: int) -> None:
        """Refuses a number of trials that would leave a corner of the grid out.

        Raises:
            WrongType: if there are more points than trials, in the fixed order.
        """
        size = space.grid(self.num).size or 0
        if size > num_trials and not self.shuffle:
            raise WrongType(
                f"the grid has {size} points, num_trials is {num_trials}",
                where="num_trials",
                remedy=f"write `num_trials: {size}`, or `sampler.shuffle: true`",
            )
