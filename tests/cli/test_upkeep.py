"""`check` and `gc` as they are typed: what they say, what they end with, what programs read."""

import json

import pytest
from blake3 import blake3

from aidn_pipeline.cli.gc import parse_size
from aidn_pipeline.errors import UsageError


def flip_a_weight(folder):
    weights = (folder / "bundles" / "digits" / "1" / "weights.safetensors").read_bytes()
    path = placed(folder, weights)
    path.chmod(0o644)
    data = bytearray(weights)
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def placed(folder, data):
    digest = blake3(data).hexdigest()
    return folder / ".aidn" / "objects" / digest[:2] / digest[2:]


def test_check_says_what_depends_on_damage_and_the_command_makes_it_again(copied, say):
    flip_a_weight(copied)
    code, out, _ = say("check", "--json")
    (finding,) = json.loads(out)["findings"]
    assert code == 1
    assert finding["used_by"]["models"] == ["digits@1"]
    assert finding["used_by"]["bundles"]
    assert finding["command"].startswith("aidn-run recipe=digits_train trainer.epochs=3")
    code, out, _ = say("check", "--repair")
    assert code == 1
    assert out.startswith("set aside: object b3:")
    assert say(*finding["command"].split()[1:])[0] == 0
    assert say("check")[0] == 0


def test_check_undoes_a_repair(copied, say):
    flip_a_weight(copied)
    say("check", "--repair")
    code, out, _ = say("check", "--undo")
    assert code == 1
    assert out.startswith("1 moved back from the quarantine\nobject b3:")


def test_check_makes_the_index_anew(copied, say):
    (copied / ".aidn" / "index.sqlite").write_bytes(b"rubbish")
    assert say("check", "--rebuild")[0] == 0


def test_check_tells_a_damaged_journal_as_a_finding(copied, say):
    journal = copied / ".aidn" / "journal" / "000001.log"
    (copied / ".aidn" / "index.sqlite").unlink()
    journal.write_bytes(b"X" + journal.read_bytes()[1:])
    code, out, _ = say("check", "--json")
    assert code == 1
    assert [f["kind"] for f in json.loads(out)["findings"]] == ["journal"]


def test_check_does_one_thing_at_a_time(here, say):
    code, _, err = say("check", "--repair", "--undo")
    assert code == 2
    assert "one of --repair, --rebuild, --undo" in err


def test_gc_looks_and_says_why_things_stay(here, say):
    code, out, _ = say("gc")
    assert code == 0
    assert out.startswith("0 B of ")
    assert "model digits@1" in out


def test_gc_takes_what_lies_about_and_brings_it_back(copied, say):
    orphan = placed(copied, b"x" * 5000)
    orphan.parent.mkdir(exist_ok=True)
    orphan.write_bytes(b"x" * 5000)
    code, out, _ = say("gc", "--apply", "--json")
    told = json.loads(out)
    assert code == 0
    assert (told["applied"], told["freed"], told["objects"]) == (True, 5000, 1)
    assert say("gc", "--undo")[1] == "1 objects moved back from the trash\n"
    say("gc", "--apply")
    assert say("gc", "--purge")[1] == "trash emptied: 5.0 kB freed\n"
    assert say("check")[0] == 0


def test_gc_pins_a_run_by_the_beginning_of_its_id(copied, say):
    code, out, _ = say("gc", "--pin", "20")
    assert code == 0
    assert "is kept until `--unpin`" in out
    assert "is kept no longer" in say("gc", "--unpin", "20")[1]


def test_gc_ends_with_one_where_the_budget_cannot_be_met(here, say):
    code, out, _ = say("gc", "--budget", "1kB")
    assert code == 1
    assert "the store cannot fit in 1.0 kB" in out


@pytest.mark.parametrize(
    "arguments",
    [("--apply", "--undo"), ("--undo", "--budget", "1GB"), ("x",), ("--keep-runs", "few")],
)
def test_gc_refuses_what_does_not_go_together(here, say, arguments):
    assert say("gc", *arguments)[0] == 2


@pytest.mark.parametrize(
    ("text", "size"),
    [("2GB", 2 * 10**9), ("1.5 GiB", 3 * 2**29), ("500mb", 5 * 10**8), ("12", 12)],
)
def test_sizes_are_read_as_people_write_them(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1", "2 quads", "1e9"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(UsageError, match="no size"):
        parse_size(text)


def test_neither_needs_a_store(empty, say):
    assert say("gc")[0] == 0
    assert say("check")[0] == 0
