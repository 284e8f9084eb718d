"""Running and planning: what is printed, and the object for programs."""

import json
import os
import subprocess
import sys

from support.command import QUICK, last_object
from support.source import ROOT


def actions(answer):
    return {name: stage["action"] for name, stage in answer["stages"].items()}


def test_a_second_run_reuses_everything(here, say):
    code, out, err = say(*QUICK, "--json")
    answer = last_object(out)
    assert code == 0
    assert set(actions(answer).values()) == {"reuse"}
    assert answer["model"]["name"] == "digits"
    assert (here / answer["bundle"] / "model.json").is_file()
    assert "train: reused" in err


def test_stdout_holds_nothing_but_the_object(here, say):
    _, out, _ = say(*QUICK, "--json")
    assert len(out.splitlines()) == 1


def last_block(out):
    """The lines of the last block by their name."""
    found, name = {}, ""
    for line in out.split("\n\n")[-1].splitlines():
        name = line.split(maxsplit=1)[0] if line[0] != " " else name
        found.setdefault(name, []).append(line[len("baseline  ") :])
    return found


def test_the_last_block_names_run_metrics_model_bundle_and_the_next_command(here, say):
    _, out, _ = say(*QUICK)
    block = last_block(out)
    assert list(block) == [
        *("run", "metrics", "baseline", "training", "model", "bundle", "python", "next")
    ]
    assert block["metrics"][0].startswith("accuracy 0.")
    assert block["training"][0].startswith("epoch ")
    assert all(len(line) <= len("baseline  ") + 68 for line in block["metrics"])
    assert block["next"][0].startswith("aidn-run show 2")
    assert block["next"][1] == "aidn-run predict digits@1 --input rows.json"


def test_the_python_lines_of_the_last_block_predict_when_they_are_pasted(here, say):
    _, out, _ = say(*QUICK)
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(last_block(out)["python"])],
        cwd=here,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.startswith("[{'label': '"), done.stderr


def test_a_plan_of_what_is_done_reuses_everything(here, say):
    _, out, _ = say(*QUICK, "--plan", "--json")
    answer = last_object(out)
    assert answer["status"] == "planned"
    assert answer["run"] is None
    assert set(actions(answer).values()) == {"reuse"}


def test_a_plan_says_which_key_changed(here, say):
    code, out, _ = say("plan", *QUICK, "trainer.batch_size=64")
    assert code == 0
    assert "trainer.batch_size 32 -> 64" in out
    assert "override trainer.batch_size=64" in out


def test_more_epochs_continue_from_fewer(copied, say):
    _, out, _ = say(*QUICK, "trainer.epochs=4", "--json")
    assert actions(last_object(out)) == {
        "snapshot": "reuse",
        "split": "reuse",
        "train": "resume",
        "evaluate": "run",
        "register": "run",
        "export": "run",
    }


def test_a_forced_stage_runs_again_to_the_same_bytes(copied, say):
    _, before, _ = say(*QUICK, "--json")
    _, after, _ = say(*QUICK, "--force", "train", "--json")
    old, new = last_object(before), last_object(after)
    assert actions(new) == {**actions(old), "train": "run"}
    assert new["stages"]["train"]["outputs"] == old["stages"]["train"]["outputs"]
    assert new["model"] == old["model"]


def test_a_plan_writes_nothing(empty, say):
    assert say(*QUICK, "--plan")[0] == 0
    assert not list(empty.glob(".aidn/objects/*/*"))
    assert not (empty / "bundles").exists()


def test_a_bundle_folder_that_was_deleted_comes_back(copied, say):
    before = (copied / "bundles/digits/1/model.json").read_bytes()
    (copied / "bundles/digits/1/model.json").unlink()
    say(*QUICK)
    assert (copied / "bundles/digits/1/model.json").read_bytes() == before


def test_show_tells_of_the_newest_run(here, say):
    code, out, _ = say("show")
    assert code == 0
    assert all(word in out for word in ("digits", "train_loss", "digits@1", "bundle"))


def test_show_finds_a_run_by_its_beginning(here, say):
    run = json.loads(say(*QUICK, "--json")[1])["run"]
    assert say("show", run[:-2])[1].startswith(f"run {run}")


def test_show_of_no_run_names_the_newest(here, say):
    code, _, err = say("show", "1999")
    assert code == 2
    assert "the newest is 2" in err


def test_lists_tell_what_there_is(here, say):
    assert "digits" in say("list")[1]
    assert "dataset, params?" in say("list", "stages")[1]
    assert "model/mlp" in say("list", "components", "model")[1]
    assert "sampler/tpe" in say("list", "components")[1]
    assert say("list", "sampler")[1] == say("list", "components", "sampler")[1]
    assert "did you mean `aidn-run list sampler`?" in say("list", "samplr")[2]
    assert "done" in say("list", "runs")[1]
    assert "digits@1" in say("list", "models")[1]


def test_lists_of_an_empty_project_say_how_to_start(empty, say):
    assert "aidn-run recipe=digits" in say("list", "runs")[1]
    assert "register" in say("list", "models")[1]
    assert not (empty / ".aidn").exists()


def test_a_sound_store_is_sound(here, say):
    code, out, _ = say("check")
    assert code == 0
    assert "all sound" in out


def test_a_flipped_bit_is_named_with_what_remakes_it(copied, say):
    objects = (p for p in (copied / ".aidn/objects").rglob("*") if p.is_file())
    victim = max(objects, key=lambda p: p.stat().st_size)
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.chmod(0o644)
    victim.write_bytes(data)
    code, out, _ = say("check")
    assert code == 1
    assert victim.name in out
    assert "fix:" in out
    found = json.loads(say("check", "--json")[1])["findings"]
    assert found
    assert all(f["remedy"] for f in found)


def test_there_is_nothing_to_check_before_the_first_run(empty, say):
    assert say("check")[0] == 0
    assert not (empty / ".aidn").exists()
