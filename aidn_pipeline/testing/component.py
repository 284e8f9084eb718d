"""What every component keeps to, whatever its group."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from aidn_pipeline.core.describe import describe
from aidn_pipeline.core.fingerprint import canonical_json
from aidn_pipeline.errors import UsageError
from aidn_pipeline.testing.clauses import hold
from aidn_pipeline.testing.subject import Subject, subject_of


class ComponentSuite:
    """The base of all suites; derive from the one of your component's group.

        class TestMyReader(SourceSuite):
            make = staticmethod(lambda: MyReader(rows=50))

    Attributes:
        group: of the components it is about.
        components: classes and functions that `make` names in a recipe's form, beside the shipped.
    """

    group: ClassVar[str] = ""
    components: ClassVar[Sequence[Any]] = ()

    def make(self) -> Any:
        """The component: override it; `aidn_pipeline.testing.subject.subject_of` says with what."""
        raise UsageError(
            "the suite is not told what to test",
            where=type(self).__qualname__,
            remedy="write `make = staticmethod(lambda: MyComponent(...))` in it",
        )

    @property
    def subject(self) -> Subject:
        """What is tested."""
        return subject_of(self.group, self.make(), self.components)

    def project(self, folder: Path) -> None:
        """Writes the files of a project that the component reads; override it if there are any."""

    def test_its_description_builds_it_again(self) -> None:
        """A description survives JSON, and builds a component that describes itself the same.

        It is what is fingerprinted, recorded, and stored with a model.
        """
        subject = self.subject
        again = json.loads(canonical_json(subject.description))
        hold(
            again == subject.description,
            f"the description of {subject.spec.key} changes when it is written as JSON",
            where=subject.where,
            remedy="let fields be text, numbers, truth values, lists, mappings or components",
        )
        described = json.loads(canonical_json(describe(subject.build())))
        odd = sorted(k for k in described if described[k] != subject.description.get(k))
        hold(
            not odd,
            f"{', '.join(odd)} of {subject.spec.key} is another value once it is built from its "
            "description",
            where=subject.where,
            remedy="leave fields as they are given; compute what follows from them in a property",
        )
