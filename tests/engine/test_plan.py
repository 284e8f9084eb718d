"""What a plan says, and that it writes nothing."""

from pathlib import Path

from support.toys import INDEX, pipeline, stage, whole

from aidn_pipeline.core.pipeline import PipelineSpec
from aidn_pipeline.engine.plan import make_plan
from aidn_pipeline.engine.run import run_pipeline
from aidn_pipeline.store.store import Store


def rows(store: Store, spec: PipelineSpec, **more: object) -> dict[str, tuple[str, str]]:
    return {
        row.name: (row.action, row.reason)
        for row in make_plan(spec, store, INDEX, store.root.parent, **more).rows
    }


def files(folder: Path) -> set[Path]:
    return {p for p in folder.rglob("*") if p.is_file()}


def test_a_plan_of_something_never_run_says_run_everywhere_and_writes_nothing(tmp_path):
    with Store.open(tmp_path / ".aidn") as store:
        before = files(tmp_path)
        found = rows(store, whole())
        assert {action for action, _ in found.values()} == {"run"}
        assert files(tmp_path) == before


def test_a_plan_names_the_key_the_values_and_the_place(tmp_path):
    with Store.open(tmp_path / ".aidn") as store:
        run_pipeline(whole(), store, INDEX, tmp_path)
        changed = whole(text="hallo")
        spec = PipelineSpec(
            name="toy", stages=changed.stages, origins={"stages.start.text": "toy.yaml:7"}
        )
        found = rows(store, spec)
        assert found["start"] == ("run", "text hello -> hallo (toy.yaml:7)")
        assert found["upper"] == ("wait", "depends on start")


def test_a_plan_tells_an_extension_from_a_new_run(tmp_path):
    with Store.open(tmp_path / ".aidn") as store:
        run_pipeline(whole(steps=3), store, INDEX, tmp_path)
        row = make_plan(whole(steps=9), store, INDEX, tmp_path).row("count")
        assert (row.action, row.reason, row.progress) == (
            "resume",
            "steps 3 -> 9",
            "continues from steps 3",
        )


def test_forced_is_a_reason(tmp_path):
    with Store.open(tmp_path / ".aidn") as store:
        run_pipeline(whole(), store, INDEX, tmp_path)
        assert rows(store, whole(), force=["start"])["start"] == ("run", "forced")


def test_a_stage_that_was_another_component_says_so(tmp_path):
    with Store.open(tmp_path / ".aidn") as store:
        run_pipeline(
            pipeline(stage("a", "write"), stage("b", "upper", {"file": "a.file"})),
            store,
            INDEX,
            tmp_path,
        )
        swapped = pipeline(stage("a", "write"), stage("b", "count", {"file": "a.file"}))
        assert rows(store, swapped)["b"] == ("run", "was stage/upper")
