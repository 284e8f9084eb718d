"""What a sampler keeps to."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from aidn_pipeline.core.describe import describe
from aidn_pipeline.core.fingerprint import JSON, canonical_json
from aidn_pipeline.sweep.space import Space
from aidn_pipeline.sweep.trial import History
from aidn_pipeline.testing.clauses import hold
from aidn_pipeline.testing.component import ComponentSuite
from aidn_pipeline.testing.histories import SPACES, histories, with_trial
from aidn_pipeline.testing.watch import elsewhere

PLAIN = (bool, int, float, str, type(None))


class SamplerSuite(ComponentSuite):
    """A sampler is a pure function of (space, history, rng): a resumed sweep asks it again.

        class TestHalton(SamplerSuite):
            make = staticmethod(lambda: HaltonSampler(skip=10))

    Attributes:
        spaces: that it can search, by what they hold; all kinds by default.
    """

    group = "sampler"
    spaces: ClassVar[Mapping[str, Space]] = SPACES

    def test_equal_arguments_give_equal_params(self, tmp_path: Path) -> None:
        """Of another instance, later, whatever it was asked before and global generators say."""
        subject = self.subject
        asked = list(self._asked())
        answers = []
        for number, instance in ((1, subject.build()), (2, subject.build())):
            order = asked if number == 1 else asked[::-1]
            with elsewhere(number, tmp_path):
                found = [_propose(instance, space, history) for _, space, history in order]
            answers.append(found if number == 1 else found[::-1])
        for (name, _, history), one, other in zip(asked, *answers, strict=True):
            hold(
                one == other,
                f"{name}, {len(history.trials)} trials: {one} becomes {other} when it is asked "
                "again",
                where=subject.where,
                remedy="keep nothing between calls, and draw from `rng` alone",
            )

    def test_params_lie_in_the_space(self) -> None:
        """Exactly its keys, with values of its domains; or None when nothing is left."""
        for name, space, history in self._asked():
            found = _propose(self.subject.build(), space, history)
            hold(
                found is None or space.contains(found),
                f"{name}, {len(history.trials)} trials: {found} is no point of the space",
                where=self.subject.where,
                remedy="draw with `space.domains[path].at(u)`; 1, 1.0 and true are three values",
            )

    def test_params_are_plain_values(self) -> None:
        """They are written into the journal and into the trainer's fields as JSON."""
        for name, space, history in self._asked():
            found = _propose(self.subject.build(), space, history)
            odd = {k: type(v).__name__ for k, v in (found or {}).items() if not _is_plain(v)}
            hold(
                not odd,
                f"{name}: no plain value for {', '.join(f'{k} ({v})' for k, v in odd.items())}",
                where=self.subject.where,
                remedy="turn numpy's numbers into Python's: `float(x)`, `int(x)`",
            )

    def test_it_changes_neither_history_nor_space_nor_itself(self) -> None:
        """They are shared with the scheduler, and with the next call."""
        for name, space, history in self._asked():
            sampler = self.subject.build()
            before = _text(space, history), describe(sampler)
            _propose(sampler, space, history)
            hold(
                before == (_text(space, history), describe(sampler)),
                f"{name}, {len(history.trials)} trials: it changes what it is handed, or itself",
                where=self.subject.where,
                remedy="copy a mapping before changing it: `dict(trial.params)`",
            )

    def test_a_sweep_of_it_ends_or_goes_on(self) -> None:
        """Twelve proposals in a row, each told of the ones before: it raises at none of them."""
        for name, space in self.spaces.items():
            history = History("min")
            for number in range(12):
                try:
                    found = _propose(self.subject.build(), space, history, seed=number)
                except Exception as error:  # noqa: BLE001 - whatever it is, the sweep would end
                    hold(
                        False,
                        f"{name}: it raises {type(error).__name__} after {number} trials: {error}",
                        where=self.subject.where,
                        remedy="fall back to `space.sample(rng)` while there is too little to know",
                    )
                    return
                if found is None or not space.contains(found):
                    break
                history = with_trial(history, found)

    def _asked(self) -> Iterator[tuple[str, Space, History]]:
        for name, space in self.spaces.items():
            for history in histories(space):
                yield name, space, history


def _propose(
    sampler: Any, space: Space, history: History, *, seed: int = 11
) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] | None = sampler.propose(space, history, np.random.default_rng(seed))
    return found


def _is_plain(value: object) -> bool:
    if type(value) in PLAIN:
        return True
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return isinstance(value, dict) and all(map(_is_plain, value.values()))


def _text(space: Space, history: History) -> bytes:
    trials: list[JSON] = [
        [dict(t.params), t.state, t.to, [[s.epoch, s.value, s.error] for s in t.segments]]
        for t in history.trials
    ]
    return canonical_json([space.to_json(), history.mode, trials])
