"""Faults that are planted in a real environment; doctor names each, with its remedy."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.command import aidn
from support.source import ROOT

from aidn_pipeline.cli.health import interpreter, processors
from aidn_pipeline.cli.health.packages import Declared, Imported, declared, examine, import_all
from aidn_pipeline.cli.health.ranges import Range, numbers, requirement
from aidn_pipeline.cli.main import main

Findings = list[dict[str, str]]
HOLD = """
import sys, time
from pathlib import Path
from aidn_pipeline.store.locks import Locks
Locks(Path(sys.argv[1])).acquire(sys.argv[2])
print("held", flush=True)
time.sleep(600)
"""


def looked(folder: Path, **environment: str) -> tuple[int, Findings]:
    done = aidn("doctor", "--json", cwd=folder, **environment)
    assert done.stdout, done.stderr
    answer = json.loads(done.stdout)
    assert answer["format"] == 1
    levels = [f["level"] for f in answer["findings"]]
    assert (answer["problems"], answer["warnings"]) == (
        levels.count("problem"),
        levels.count("warning"),
    )
    return done.returncode, answer["findings"]


def about(findings: Findings, *words: str) -> dict[str, str]:
    """The one finding that is no `ok` and has these words."""
    odd = [f for f in findings if f["level"] != "ok"]
    found = [f for f in odd if all(word in f["what"] + f["where"] for word in words)]
    assert len(found) == 1, odd
    assert found[0]["remedy"]
    return found[0]


@pytest.fixture(scope="module")
def project(ran_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    def copy() -> Path:
        folder = tmp_path_factory.mktemp("sick") / "project"
        shutil.copytree(ran_once, folder)
        return folder

    return copy


@pytest.fixture(scope="module")
def sick(project: Callable[[], Path]) -> tuple[int, Findings]:
    """Nine faults in one environment, side by side."""
    folder = project()
    stubs = folder.parent / "stubs"
    (stubs / "torch").mkdir(parents=True)
    (stubs / "torch" / "__init__.py").write_text('raise OSError("libtorch_cpu.so: no such file")\n')
    (stubs / "optuna-4.1.0.dist-info").mkdir()
    (stubs / "optuna-4.1.0.dist-info" / "METADATA").write_text("Name: optuna\nVersion: 4.1.0\n")
    (folder / "pyproject.toml").write_text('[tool.aidn]\npackages = ["nowhere", "here"]\n')
    (folder / "here").mkdir()
    (folder / "here" / "__init__.py").write_text("raise SystemExit('imported')\n")
    shutil.rmtree(folder / "bundles")
    (folder / "bundles").symlink_to("/nonexistent/share")
    store = folder / ".aidn"
    journal = store / "journal" / "000001.log"
    data = bytearray(journal.read_bytes())
    data[data.index(b"\n") + 40] ^= 1
    journal.write_bytes(data)
    (store / "tmp" / "4711-dead").mkdir(parents=True)
    work = store / "work" / ("ab" * 32)
    work.mkdir(parents=True)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(store / "locks"), f"work/{work.name}"],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
    )
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    code, findings = looked(
        folder,
        PYTHONPATH=f"{stubs}:{ROOT}",
        PYTHONIOENCODING="latin-1",
        OMP_NUM_THREADS="many",
        TZ="Nowhere/Else",
        AIDN_TRUST="",
    )
    holder.kill()
    holder.wait()
    assert holder.stdout.close() is None
    findings[0]["holder"] = str(holder.pid)
    return code, findings


@pytest.mark.parametrize(
    ("words", "level", "remedy"),
    [
        (["torch cannot be imported", "libtorch_cpu.so"], "problem", "pip install --force-rein"),
        (["optuna 4.1.0", "needs >=5,<6"], "problem", "pip install 'optuna>=5,<6'"),
        (["not UTF-8", "stdout is", "PYTHONIOENCODING=latin-1"], "warning", "PYTHONUTF8=1"),
        (["OMP_NUM_THREADS", "'many'"], "problem", "unset it"),
        (["time zone 'Nowhere/Else'"], "warning", "TZ=Europe/Berlin"),
        (["package 'nowhere'", "pyproject.toml"], "problem", "take it off the list"),
        (["not trusted", "here"], "problem", "aidn-run trust"),
        (["symbolic link", "/nonexistent/share", "bundles"], "problem", "rm '"),
        (["journal line", "at byte"], "problem", "restore the file from a copy"),
        (["lock is held", "the work abababababab"], "warning", "the lock goes with it"),
        (["temporary folders of processes that died"], "warning", "the next run clears"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_fault_is_named_with_its_remedy(sick, words, level, remedy):
    code, findings = sick
    found = about(findings, *words)

    assert code == 1
    assert found["level"] == level
    assert remedy in found["remedy"]


def test_the_holder_of_a_lock_is_named(sick):
    _, findings = sick
    assert f"process {findings[0]['holder']}" in about(findings, "lock is held")["what"]


def test_code_that_is_not_trusted_is_not_imported(sick):
    assert not any("imported'" in finding["what"] for finding in sick[1])


def test_what_is_sound_beside_the_faults_is_said(sick):
    sound = [f["what"] for f in sick[1] if f["level"] == "ok"]
    assert any(what.startswith("Python 3.") for what in sound)
    assert "locks hold between processes" in sound


def test_a_newer_store_and_an_unknown_key_are_named(project):
    folder = project()
    (folder / "pyproject.toml").write_text('[tool.aidn]\npackage = ["here"]\n')
    (folder / ".aidn" / "format.json").write_text('{"format":2,"hash":"b3"}\n')
    code, findings = looked(folder)

    assert code == 1
    assert "AIDN_HOME" in about(findings, "format 2", "format.json")["remedy"]
    assert "packages, components" in about(findings, "no key 'package'")["remedy"]


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Mounts a small file system; only root may."""
    places: list[Path] = []

    def mount(*options: str) -> Path:
        place = tmp_path / "disk"
        place.mkdir(exist_ok=True)
        given = ["mount", "-t", "tmpfs", "-o", ",".join(options), "none", str(place)]
        if os.geteuid() or subprocess.run(given, check=False, capture_output=True).returncode:
            pytest.skip("mounting needs root")
        places.append(place)
        return place

    yield mount
    for place in places:
        subprocess.run(["umount", "-l", str(place)], check=False)


def test_a_full_disk_is_named(project, mounted):
    folder, disk = project(), mounted("size=600k")
    shutil.copytree(folder / ".aidn" / "journal", disk / "store" / "journal")
    shutil.copy(folder / ".aidn" / "format.json", disk / "store")
    with pytest.raises(OSError, match="No space"):
        (disk / "ballast").write_bytes(b"\0" * 600_000)
    code, findings = looked(folder, AIDN_HOME=str(disk / "store"))

    assert code == 1
    assert "another disk" in about(findings, "the disk is full")["remedy"]
    assert "make space" in about(findings, "no space left while trying to write")["remedy"]
    assert "gone after a restart" in about(findings, "in memory (tmpfs)")["what"]


def test_a_store_on_a_read_only_disk_is_named(project, mounted):
    folder, disk = project(), mounted("size=30m")
    shutil.copytree(folder / ".aidn", disk / "store")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    code, findings = looked(folder, AIDN_HOME=str(disk / "store"))

    assert code == 1
    assert "AIDN_HOME" in about(findings, "may not write", str(disk))["remedy"]
    assert any("records are sound" in f["what"] for f in findings)


def test_a_store_that_takes_no_more_bytes_is_named(project):
    folder = project()

    def small_files_only() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    done = subprocess.run(
        [sys.executable, "-m", "aidn_pipeline.cli.main", "doctor", "--json"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=small_files_only,
    )

    assert about(json.loads(done.stdout)["findings"], "exceed the size limit while trying to write")


def test_a_package_that_reads_stores_is_named_where_it_is_broken(empty, tmp_path):
    stub = tmp_path / "stubs" / "blake3"
    stub.mkdir(parents=True)
    (stub / "__init__.py").write_text("raise ImportError('GLIBC_2.99 not found')\n")
    code, findings = looked(empty, PYTHONPATH=f"{stub.parent}:{ROOT}")

    assert code == 1
    assert "force-reinstall" in about(findings, "blake3 cannot be", "GLIBC_2.99")["remedy"]
    assert about(findings, "project and store were not looked at")


def test_a_sound_environment_is_well(here, say):
    before = sorted(p for p in (here / ".aidn").rglob("*") if p.is_file())
    code, out, _ = say("doctor")

    assert code == 0
    assert out.splitlines()[-1].startswith(("all is well", "no problem"))
    assert "locks hold between processes" in out
    assert "bundles can be written" in out
    assert sorted(p for p in (here / ".aidn").rglob("*") if p.is_file()) == before


def test_where_nothing_was_run_nothing_is_made(empty, say):
    code, out, _ = say("doctor")
    assert code == 0
    assert "no store yet" in out
    assert [p.name for p in empty.iterdir()] == ["recipes"]


@pytest.mark.parametrize("name", [".aidn", "conf", "bundles"])
def test_a_link_that_leads_nowhere_is_named(empty, name):
    (empty / name).symlink_to("/nonexistent/place")
    code, findings = looked(empty)
    assert code == 1
    assert "rm '" in about(findings, "symbolic link", "/nonexistent/place", name)["remedy"]


def test_a_file_in_the_place_of_the_bundles_is_named(empty):
    (empty / "bundles").write_text("")
    assert "rename or delete" in about(looked(empty)[1], "a file has it")["remedy"]


def test_a_recipe_that_does_not_compose_is_a_warning(empty):
    (empty / "recipes" / "mine.yaml").write_text("# Mine.\ndefaults: [/digits]\nmodle: cnn\n")
    code, findings = looked(empty)
    assert code == 0
    assert "did you mean `model`?" in about(findings, "recipe mine", "modle")["remedy"]


def test_a_place_that_cannot_be_looked_at_is_a_finding(empty):
    code, findings = looked(empty, AIDN_HOME=f"/tmp/{'x' * 300}")
    assert code == 1
    assert any("File name too long" in finding["what"] for finding in findings)


def test_doctor_itself_imports_no_torch():
    start = "import aidn_pipeline.cli.doctor, sys; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", start],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"


def test_macos_is_said_to_be_second_tier(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    (told,) = [f for f in interpreter.examine(Range()) if "second tier" in f.what]
    assert told.level == "warning"
    assert "Linux" in told.remedy


@pytest.mark.parametrize(
    ("zone", "known"),
    [
        ("UTC", True),
        (":/etc/hostname", True),
        (":/nowhere", False),
        ("EST5EDT,M3.2.0,M11.1.0", True),
        ("Nowhere/Else", False),
        ("Nowhere", False),
    ],
)
def test_a_time_zone_is_known_or_told(monkeypatch, zone, known):
    monkeypatch.setenv("TZ", zone)
    told = [f for f in interpreter.examine(Range()) if "time zone" in f.what]
    assert (told == []) is known


def test_a_clock_before_this_release_is_a_problem(monkeypatch):
    monkeypatch.setattr(interpreter, "RELEASED", datetime(2999, 1, 1, tzinfo=UTC))
    (told,) = [f for f in interpreter.examine(Range()) if f.what.startswith("the clock shows")]
    assert told.level == "problem"


def test_a_python_out_of_range_is_a_problem():
    (told,) = [f for f in interpreter.examine(Range.parse(">=3.99")) if "not supported" in f.what]
    assert told.level == "problem"


def test_windows_is_answered_with_wsl2(monkeypatch, say):
    monkeypatch.setattr(sys, "platform", "win32")
    for words in ((), ("doctor",), ("recipe=digits",), ("--help",)):
        code, _, err = say(*words)
        assert code == 2
        assert "WSL2" in err


def test_a_package_that_kills_python_is_named_and_the_others_are_tried(tmp_path, monkeypatch):
    (tmp_path / "deadly.py").write_text("import os\nos.kill(os.getpid(), 11)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    needs = Declared(Range(), {"deadly": Range(), "colorsys": Range()})
    imported = import_all(needs)

    assert "SIGSEGV" in imported.facts["deadly"]["error"]
    assert imported.works("colorsys")
    assert not imported.works("deadly", "colorsys")


def test_a_package_that_is_not_there_is_told_with_the_command_that_installs_it():
    needs = Declared(Range(), {"no-such-thing": Range.parse(">=2,<3")})
    facts = {"no-such-thing": {"error": "ModuleNotFoundError: No module named 'no_such_thing'"}}
    (finding,) = examine(needs, Imported(facts))

    assert finding.level == "problem"
    assert finding.remedy == "`pip install 'no-such-thing>=2,<3'`"


@pytest.mark.parametrize(
    ("text", "version", "holds"),
    [
        (">=5,<6", "5.0.0", True),
        (">=5,<6", "6.0", False),
        ("<3,>=2.10", "2.9.1", False),
        ("<3,>=2.10", "2.13.0+cpu", True),
        ("==1.3.*", "9", True),
        ("!=2.0", "2", False),
        ("", "0", True),
    ],
)
def test_ranges_are_read_as_pip_reads_them(text, version, holds):
    assert Range.parse(text).holds(version) is holds


def test_requirements_of_extras_are_left_out():
    assert requirement("ruff>=0.17; extra == 'dev'") is None
    assert requirement("torch (<3,>=2.10)") == ("torch", Range.parse("<3,>=2.10"))
    assert numbers("v5.0b1") == (5, 0)


def test_what_this_release_declares_is_found():
    assert {"torch", "optuna", "blake3"} <= declared().packages.keys()
    assert declared().python.holds("3.11.2")


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "100000 100000\n"}, 1),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "max 100000\n"}, len(os.sched_getaffinity(0))),
        ({"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1),
        ({}, len(os.sched_getaffinity(0))),
    ],
)
def test_cores_are_counted_within_the_limit_of_the_control_group(tmp_path, files, cores):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert processors.usable_cores(tmp_path) == cores


def test_a_module_that_hides_a_package_is_named(empty, say, monkeypatch):
    monkeypatch.setenv("AIDN_TRUST", "1")
    (empty / "pyproject.toml").write_text('[tool.aidn]\npackages = ["mine"]\n')
    (empty / "mine").mkdir()
    (empty / "mine" / "__init__.py").write_text("")
    (empty / "random.py").write_text("")
    answer: dict[str, Any] = json.loads(say("doctor", "--json")[1])
    assert "rename it" in about(answer["findings"], "random.py", "'random'")["remedy"]


def test_main_is_the_door(here, capsys):
    assert main(["doctor", "--nope"]) == 2
    assert "no flag --nope" in capsys.readouterr().err


def test_no_module_of_the_working_folder_is_run(tmp_path):
    shadow = tmp_path / "aidn_pipeline" / "__init__.py"
    shadow.parent.mkdir()
    shadow.write_text("raise SystemExit('run')\n")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "aidn_pipeline.cli.main", "doctor", "--json"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    found = {f["what"] for f in json.loads(done.stdout)["findings"]}
    assert "locks hold between processes" in found


@pytest.mark.parametrize("header", [True, False])
def test_locks_are_not_tried_through_a_link(tmp_path, header, monkeypatch, say):
    store, outside = tmp_path / ".aidn", tmp_path / "outside"
    store.mkdir()
    (store / "locks").symlink_to(outside)
    if header:
        (store / "format.json").write_text('{"format":1,"hash":"b3"}\n')
    monkeypatch.chdir(tmp_path)
    _, out, _ = say("doctor")

    assert "locks hold between processes" in out
    assert not outside.exists()


def test_a_folder_of_the_store_s_name_is_left_as_it_was(tmp_path, monkeypatch, say):
    (tmp_path / ".aidn").mkdir()
    monkeypatch.chdir(tmp_path)
    _, out, _ = say("doctor")

    assert "locks hold between processes" in out
    assert list((tmp_path / ".aidn").iterdir()) == []
