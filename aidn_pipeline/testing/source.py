"""What a source keeps to."""

from math import prod
from pathlib import Path
from typing import ClassVar

import pyarrow as pa

from aidn_pipeline.data.dataset import snapshot_files
from aidn_pipeline.data.labels import check_labels
from aidn_pipeline.data.source import SourceTable
from aidn_pipeline.errors import DataError
from aidn_pipeline.testing.clauses import does_not_concern, hold
from aidn_pipeline.testing.component import ComponentSuite
from aidn_pipeline.testing.subject import Subject
from aidn_pipeline.testing.watch import contents, elsewhere, listed


class SourceSuite(ComponentSuite):
    """A source gives the same table, whoever reads it and however often.

        class TestRings(SourceSuite):
            make = staticmethod(lambda: Rings(rows=50))
            rows = 50

    Override `project` to write the files that it reads.

    Attributes:
        rows: that it must give; None where the suite does not know.
    """

    group = "source"
    rows: ClassVar[int | None] = None

    def test_reading_twice_gives_the_same_content(self, tmp_path: Path) -> None:
        """Another instance, another process state, another place: the same data set's bytes."""
        subject = self.subject
        ids = []
        for number in (1, 2):
            project = self._project(tmp_path / ("at" * number))
            with elsewhere(number, project.parent):
                ids.append(_files(_read(subject, project)))
        odd = [name for name in ids[0] if ids[0][name] != ids[1][name]]
        hold(
            not odd,
            f"{subject.spec.key} gives another {' and '.join(odd)} when it is read again",
            where=subject.where,
            remedy="seed what is drawn with a field; keep paths and times out of the table and its "
            "provenance",
        )

    def test_the_order_in_which_a_folder_lists_its_files_changes_nothing(
        self, tmp_path: Path
    ) -> None:
        """File systems list files in any order; a source sorts them."""
        subject = self.subject
        project = self._project(tmp_path / "project")
        ids = []
        for backwards in (False, True):
            with listed(backwards=backwards):
                ids.append(_files(_read(subject, project)))
        hold(
            ids[0] == ids[1],
            f"{subject.spec.key} gives another data set when the folder is listed backwards",
            where=subject.where,
            remedy="write `sorted(folder.iterdir())`",
        )

    def test_the_columns_are_those_it_names(self, tmp_path: Path) -> None:
        """Features and label are columns, each once, and fill the shape of an example."""
        subject = self.subject
        found = self._table(subject, tmp_path)
        names = found.table.column_names
        twice = sorted({n for n in names if names.count(n) > 1})
        hold(not twice, f"the column {', '.join(twice)} stands twice", where=subject.where)
        wanted = [*found.features, found.label]
        absent = [n for n in wanted if n not in names]
        hold(
            not absent,
            f"{subject.spec.key} names {', '.join(absent)}, which is no column of its table",
            where=subject.where,
            remedy=f"its columns are {', '.join(names)}",
        )
        hold(
            len(set(wanted)) == len(wanted),
            f"{subject.spec.key} names a feature twice, or the label as a feature",
            where=subject.where,
            remedy="leave the label out of `features`: a model would read the answer",
        )
        hold(
            found.image is not None or prod(found.shape) == len(found.features),
            f"an example of shape {list(found.shape)} does not hold {len(found.features)} features",
            where=subject.where,
            remedy="give `shape=(len(features),)` for a flat row",
        )

    def test_it_gives_the_rows_it_should(self, tmp_path: Path) -> None:
        """At least one; exactly as many as the suite says, if it does."""
        subject = self.subject
        found = self._table(subject, tmp_path).table.num_rows
        hold(
            found == self.rows if self.rows is not None else found > 0,
            f"{subject.spec.key} gives {found} rows" + (f", not {self.rows}" if self.rows else ""),
            where=subject.where,
        )

    def test_every_row_has_a_label_that_fits_the_task(self, tmp_path: Path) -> None:
        """No label is missing or NaN; its kind is the task's."""
        subject = self.subject
        found = self._table(subject, tmp_path)
        if found.label not in found.table.column_names or found.table.num_rows == 0:
            raise does_not_concern("there are no labels")
        try:
            check_labels(found.table, found.label, found.where)
            found.signature()
        except DataError as error:
            hold(
                False,
                f"{subject.spec.key}: {error.problem}",
                where=subject.where,
                remedy=error.remedy or "drop rows without a label where they are read",
            )

    def test_reading_writes_nothing(self, tmp_path: Path) -> None:
        """The project is as it was before."""
        subject = self.subject
        project = self._project(tmp_path / "project")
        before = contents(project)
        with elsewhere(1, project):
            _read(subject, project)
        after = contents(project)
        odd = sorted(n for n in {*before, *after} if before.get(n) != after.get(n))
        hold(
            not odd,
            f"{subject.spec.key} writes {', '.join(odd)} into the project",
            where=subject.where,
            remedy="only read; the store keeps what was read",
        )

    def _project(self, folder: Path) -> Path:
        folder.mkdir(parents=True)
        self.project(folder)
        return folder

    def _table(self, subject: Subject, tmp_path: Path) -> SourceTable:
        return _read(subject, self._project(tmp_path / "project"))


def _read(subject: Subject, project: Path) -> SourceTable:
    found = subject.build().read(project)
    hold(
        isinstance(found, SourceTable) and isinstance(found.table, pa.Table),
        f"{subject.spec.key} gives {type(found).__name__}, not a SourceTable with an Arrow table",
        where=subject.where,
    )
    assert isinstance(found, SourceTable)
    return found


def _files(found: SourceTable) -> dict[str, object]:
    """What a snapshot of it would hold, whether or not it is a good one."""
    try:
        return dict(snapshot_files(found))
    except (DataError, KeyError, ValueError):
        columns = [column.to_pylist() for column in found.table.columns]
        return {"table": repr(columns), "meaning": (found.table.column_names, found.features)}
