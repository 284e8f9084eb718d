"""What a stage keeps to."""

import json
import math
import os
import signal
import zipfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from aidn_pipeline.core.artifact import Artifact
from aidn_pipeline.core.describe import build, write_params
from aidn_pipeline.core.stage import Description
from aidn_pipeline.engine.fingerprint import Inputs
from aidn_pipeline.errors import AidnError, Interrupted
from aidn_pipeline.testing.again import perform_again
from aidn_pipeline.testing.clauses import does_not_concern, hold
from aidn_pipeline.testing.component import ComponentSuite
from aidn_pipeline.testing.context import Bench, StopAfter
from aidn_pipeline.testing.faults import FaultyDisk, in_child
from aidn_pipeline.testing.performing import Place, Result, perform, prepare_place
from aidn_pipeline.testing.subject import Subject
from aidn_pipeline.testing.watch import contents, elsewhere, watch_writes

CLOCKED = 5
"""Writes that may be fewer than the last time: a clock asks for flushes of metric points."""
LOOKS = (0, 1, 3, 9)
"""After how often a stage has looked for a wish to stop, the wish is there."""
PICKLE, PROTOCOLS = 0x80, 5
"""First byte of a pickle, and the highest number in its second."""
PLACES: dict[type, Place] = {}
"""Prepared inputs by suite: they may take a training to make."""


class StageSuite(ComponentSuite):
    """A stage gives the same whole outputs, whatever happens to it on the way.

        class TestFeaturize(StageSuite):
            make = staticmethod(lambda: partial(featurize, bins=4))

            def inputs(self, bench):
                return {"dataset": example_dataset(bench)}

    Attributes:
        kill_points: how many of the moments at which it can be killed are tried, evenly spread;
            None for all.
        indifferent: other values of fields that change no byte, by dotted path:
            `{"workers": 4}`.
        shorter: smaller values of fields that a longer run continues from, by dotted path:
            `{"trainer.epochs": 1}`.
        outside: folders of the machine that it may write to beside its work folder.
        another_process: whether a fresh interpreter is tried, which imports everything anew.
    """

    group = "stage"
    kill_points: ClassVar[int | None] = None
    indifferent: ClassVar[Mapping[str, Any]] = {}
    shorter: ClassVar[Mapping[str, Any]] = {}
    outside: ClassVar[Sequence[Path]] = ()
    another_process: ClassVar[bool] = True

    def inputs(self, bench: Bench) -> Inputs:
        """Artifacts by port, made with `bench`; override it if there are any."""
        return {}

    def test_it_gives_what_its_ports_promise(self, tmp_path: Path) -> None:
        """The file of every output is in the store, with its size and its bytes."""
        subject, place = self._place(tmp_path)
        outputs = perform(subject, place).record.outputs
        for port, artifact in outputs.items():
            with place.open() as store:
                hold(
                    store.has(artifact),
                    f"the {artifact.kind} on port {port!r} is not in the store",
                    where=subject.where,
                    remedy="return what ctx.save gave, and nothing that was made up",
                )
                store.files(artifact)

    def test_an_output_holds_what_its_kind_says(self, tmp_path: Path) -> None:
        """Metrics are finite numbers by name, params are values by name, data sets can be read."""
        subject, place = self._place(tmp_path)
        outputs = perform(subject, place).record.outputs
        for port, artifact in outputs.items():
            problem = _wrong_inside(subject, place, artifact)
            hold(
                not problem,
                f"port {port!r} promises {artifact.kind}, and what is there {problem}",
                where=subject.where,
                remedy=f"save what a {artifact.kind} is; any other file is a File or a Report",
            )

    def test_the_same_work_gives_the_same_bytes(self, tmp_path: Path) -> None:
        """In another folder, with other global random states, and called from elsewhere."""
        subject, place = self._place(tmp_path)
        other = place.copy(tmp_path / "again" / "deeper")
        odd = self._straight(subject, place).differing(self._straight(subject, other, number=2))
        hold(
            not odd,
            f"{_other(subject, odd)} when it does the same work again",
            where=subject.where,
            remedy="draw from ctx.derive_seed(...); take no time, no path and no global state in",
        )

    def test_another_process_gives_the_same_bytes(self, tmp_path: Path) -> None:
        """A fresh interpreter, in which sets have another order."""
        if not self.another_process:
            raise does_not_concern("the suite is told `another_process = False`")
        subject, place = self._place(tmp_path)
        other = place.copy(tmp_path / "other")
        odd = self._straight(subject, place).differing(perform_again(subject, other))
        hold(
            not odd,
            f"{_other(subject, odd)} in another process",
            where=subject.where,
            remedy="sort what comes out of a set; use no `hash()` and no `id()`",
        )

    def test_a_kill_at_any_write_changes_nothing(self, tmp_path: Path) -> None:
        """Killed by SIGKILL in a process of its own, then called again: the same bytes."""
        subject, place = self._place(tmp_path)
        expected = self._straight(subject, place.copy(tmp_path / "straight"))
        total = self._count_writes(subject, place.copy(tmp_path / "counted"))
        for wanted in _spread(total, self.kill_points):
            here, at = self._killed(subject, place, tmp_path, wanted)
            moment = f"after a kill at write {at} of {total}"
            odd = expected.differing(self._resumed(subject, here, moment))
            hold(
                not odd,
                f"{_other(subject, odd)} {moment}",
                where=subject.where,
                remedy="trust nothing in ctx.workdir that is not whole: write to another name and "
                "rename, or keep progress with ctx.checkpoints and ctx.journal",
            )
            left = here.left_over()
            hold(not left, f"{', '.join(left)} is left {moment}", where=subject.where)

    def test_a_wish_to_stop_changes_nothing(self, tmp_path: Path) -> None:
        """Asked to stop, it ends in Interrupted or in its outputs; again, in the same bytes."""
        subject, place = self._place(tmp_path)
        expected = self._straight(subject, place.copy(tmp_path / "straight"))
        for looks in LOOKS:
            here = place.copy(tmp_path / f"stopped-{looks}")
            stop = StopAfter(looks)
            try:
                with elsewhere(1, tmp_path):
                    perform(subject, here, stop=stop)
            except Interrupted:
                pass
            except AidnError as error:
                hold(
                    False,
                    f"{subject.spec.key} does not end in Interrupted when it is stopped: "
                    f"{error.problem}",
                    where=subject.where,
                    remedy="save a checkpoint and call ctx.stop()",
                )
            moment = f"after a wish to stop at look {looks}"
            odd = expected.differing(self._resumed(subject, here, moment))
            hold(
                not odd,
                f"{_other(subject, odd)} {moment}",
                where=subject.where,
                remedy="return outputs that are whole, or call ctx.stop()",
            )
            if stop.looks <= looks:
                return

    def test_it_writes_nothing_outside_its_work_folder(self, tmp_path: Path) -> None:
        """Neither in the project nor anywhere else."""
        subject, place = self._place(tmp_path)
        before = contents(place.folder)
        told = place.folder.parent / "written.json"
        allowed = [place.store.resolve(), Path("/dev"), *self.outside]

        def watched() -> None:
            written: list[str] = []
            with told.open("w") as file:
                watch_writes(lambda path: written.append(str(path)))
                perform(subject, place)
                json.dump(written, file)

        _succeed(in_child(watched), subject)
        own = [Path(text) for text in json.loads(told.read_text())]
        strange = {
            str(p.relative_to(place.folder) if p.is_relative_to(place.folder) else p)
            for p in own
            if not any(p.is_relative_to(a) for a in allowed) and "__pycache__" not in p.parts
        }
        after = contents(place.folder)
        strange |= {n for n in {*before, *after} if before.get(n) != after.get(n)}
        hold(
            not strange,
            f"{subject.spec.key} writes {', '.join(sorted(strange)[:5])}",
            where=subject.where,
            remedy="write below ctx.workdir, and save what shall stay with ctx.save",
        )

    def test_it_leaves_its_inputs_as_they_are(self, tmp_path: Path) -> None:
        """Paths that a stage gets are those of the store's own files."""
        subject, place = self._place(tmp_path)
        if not place.inputs:
            raise does_not_concern("it has no inputs")
        perform(subject, place)
        with place.open() as store:
            for port, given in place.inputs.items():
                for artifact in given if isinstance(given, tuple) else (given,):
                    refs = store.refs(artifact) if store.has(artifact) else {"": artifact}
                    harmed = [n for n, ref in refs.items() if store.objects.damage(ref.digest)]
                    hold(
                        store.has(artifact) and not harmed,
                        f"{subject.spec.key} changed a file of its input {port!r}",
                        where=subject.where,
                        remedy="copy a file to ctx.workdir before changing it",
                    )

    def test_no_output_holds_a_pickle(self, tmp_path: Path) -> None:
        """A pickle runs code when it is read; what is shared is JSON, tables and tensors."""
        subject, place = self._place(tmp_path)
        outputs = perform(subject, place).record.outputs
        with place.open() as store:
            for port, artifact in outputs.items():
                if not store.has(artifact):
                    continue
                for name, path in store.files(artifact).items():
                    hold(
                        not _is_pickle(path),
                        f"{f'{port}/{name}' if name else port} of {subject.spec.key} is a pickle",
                        where=subject.where,
                        remedy="save weights as safetensors, tables as Parquet, the rest as JSON",
                    )

    def test_a_field_without_meaning_changes_no_byte(self, tmp_path: Path) -> None:
        """Results with another value of such a field are reused: it must not matter."""
        if not self.indifferent:
            raise does_not_concern("the suite names no `indifferent` field")
        subject, place = self._place(tmp_path)
        changed = write_params(subject.description, self.indifferent)
        other = place.copy(tmp_path / "other")
        odd = self._straight(subject, place).differing(
            self._straight(subject, other, description=changed)
        )
        hold(
            not odd,
            f"{_other(subject, odd)} with {dict(self.indifferent)}",
            where=subject.where,
            remedy="take `semantic=False` away from a field that changes the result",
        )

    def test_a_longer_run_continues_to_the_same_bytes(self, tmp_path: Path) -> None:
        """What extends a shorter result ends as if it had been run in one piece."""
        if not self.shorter:
            raise does_not_concern("the suite names no `shorter` fields")
        subject, place = self._place(tmp_path)
        straight = self._straight(subject, place.copy(tmp_path / "straight"))
        perform(subject, place, description=write_params(subject.description, self.shorter))
        odd = straight.differing(self._straight(subject, place))
        hold(
            not odd,
            f"{_other(subject, odd)} when it continues from {dict(self.shorter)}",
            where=subject.where,
            remedy="take up ctx.predecessor whole, or take `extends=True` away from the field",
        )

    def _place(self, tmp_path: Path) -> tuple[Subject, Place]:
        subject = self.subject
        if type(self) not in PLACES:
            PLACES[type(self)] = prepare_place(subject, self.project, self.inputs)
        return subject, PLACES[type(self)].copy(tmp_path / "project")

    def _straight(
        self,
        subject: Subject,
        place: Place,
        *,
        number: int = 1,
        description: Description | None = None,
    ) -> Result:
        with elsewhere(number, place.folder.parent):
            done = perform(subject, place, description=description)
        return Result.of(place, done.record.outputs)

    def _count_writes(self, subject: Subject, place: Place) -> int:
        told = place.folder.parent / "count.txt"

        def counting() -> None:
            disk = FaultyDisk("count")
            _count_own_writes(disk, place)
            perform(subject, place, disk=disk)
            told.write_text(str(len(disk.calls)))

        _succeed(in_child(counting), subject)
        return int(told.read_text())

    def _killed(
        self, subject: Subject, place: Place, folder: Path, wanted: int
    ) -> tuple[Place, int]:
        """Where the stage was killed, and at which write: the wanted one, or one shortly before."""
        for at in range(wanted, max(0, wanted - CLOCKED), -1):
            here = place.copy(folder / f"killed-{wanted}-{at}")
            status = in_child(partial(_perform_killed, subject, here, at))
            if status == signal.SIGKILL:
                return here, at
            _succeed(status, subject)
        # Then nothing was tried, and what comes after would hold of any stage.
        hold(
            False,
            f"{subject.spec.key} ends before what should come after a kill at write {wanted}: it "
            "writes less often than when its writes were counted",
            where=subject.where,
            remedy="write the same files each time, whatever the hour, the working folder and "
            "the global random state",
        )
        raise AssertionError(wanted)

    def _resumed(self, subject: Subject, place: Place, moment: str) -> Result:
        try:
            return self._straight(subject, place)
        except AidnError as error:
            hold(
                False,
                f"{subject.spec.key} fails {moment}: {error.problem}",
                where=subject.where,
                remedy="expect what an earlier attempt left in ctx.workdir and its checkpoints",
            )
            raise


def _other(subject: Subject, odd: Sequence[str]) -> str:
    return f"{subject.spec.key} gives other bytes in {', '.join(odd)}"


def _count_own_writes(disk: FaultyDisk, place: Place) -> None:
    """Makes the stage's own writes, which do not pass the store's disk, count as its calls."""
    store = place.store.resolve()

    def own(path: Path) -> None:
        inside = path.is_relative_to(store)
        if not inside or "files" in path.relative_to(store).parts:
            disk.before("own", path)

    watch_writes(own)


def _spread(total: int, wanted: int | None) -> list[int]:
    """Numbers from 1 to `total`, or `wanted` of them, first and last included."""
    if wanted is None or wanted >= total:
        return list(range(1, total + 1))
    return sorted({1 + round(i * (total - 1) / max(1, wanted - 1)) for i in range(wanted)})


def _perform_killed(subject: Subject, place: Place, at: int) -> None:
    disk = FaultyDisk("kill", at)
    with elsewhere(1, place.folder.parent):
        _count_own_writes(disk, place)
        perform(subject, place, disk=disk)


def _succeed(status: int, subject: Subject) -> None:
    hold(
        status == 0,
        f"{subject.spec.key} does not get through in a process of its own: "
        + (
            f"it was ended by {signal.Signals(os.WTERMSIG(status)).name}"
            if os.WIFSIGNALED(status)
            else "see what it printed on stderr"
        ),
        where=subject.where,
    )


def _wrong_inside(subject: Subject, place: Place, artifact: Artifact) -> str:
    """What is wrong with an artifact's content; empty if nothing is."""
    with place.open() as store:
        if not store.has(artifact):
            return ""
        if artifact.kind in ("metrics", "params"):
            try:
                value = store.read_json(artifact)
            except ValueError:
                return "is no JSON"
            if not isinstance(value, dict):
                return "is no mapping of names to values"
            odd = [k for k, v in value.items() if not _is_number(v)]
            return f"has no finite number for {', '.join(odd)}" * (
                bool(odd) and artifact.kind == "metrics"
            )
        if artifact.kind == "dataset":
            return _wrong_dataset(subject, store.files(artifact))
    return ""


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _wrong_dataset(subject: Subject, files: Mapping[str, Path]) -> str:
    view = build(subject.index, "loader", {"use": "dataset"})
    try:
        opened = view(files)
        for split in opened.splits:
            opened.table(split)
        opened.signature  # noqa: B018 - reading it is what may fail
    except (AidnError, KeyError, ValueError) as error:
        return f"cannot be read: {type(error).__name__}: {error}"
    return ""


def _is_pickle(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(128)
        file.seek(max(0, path.stat().st_size - 1))
        tail = file.read()
    if len(head) > 1 and head[0] == PICKLE and head[1] <= PROTOCOLS and tail == b".":
        return True
    if head.startswith(b"\x93NUMPY"):
        return b"|O" in head
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as packed:
        return any(name.endswith(".pkl") for name in packed.namelist())
