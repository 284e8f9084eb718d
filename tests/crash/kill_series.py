"""Kill a whole recipe at random moments, run it again, and compare with an undisturbed run.

    python tests/crash/kill_series.py --kills 60 --results kills.jsonl recipe=digits

Each kill is a SIGKILL of the whole process group at a random moment of the recipe's own duration;
every fourth gets a second kill during the resume. Results are appended to a file, so the series can
be stopped and continued. Exit code 0 only if every kill ended as if nothing had happened.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def command(arguments: Sequence[str]) -> list[str]:
    """The command line of this interpreter's installation."""
    return [sys.executable, "-m", "aidn_pipeline.cli.main", *arguments, "--json"]


def start(arguments: Sequence[str], project: Path) -> "subprocess.Popen[str]":
    """Starts the recipe in a process group of its own."""
    environment = {**os.environ, "AIDN_HOME": str(project / ".aidn")}
    return subprocess.Popen(
        command(arguments),
        cwd=project,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(arguments: Sequence[str], project: Path) -> tuple[int, dict[str, Any], float]:
    """Runs the recipe to its end: exit code, its JSON object, seconds."""
    began = time.monotonic()
    process = start(arguments, project)
    out, err = process.communicate(timeout=600)
    try:
        answer = json.loads(out)
    except ValueError:
        answer = {"error": err[-2000:]}
    return process.returncode, answer, time.monotonic() - began


def killed(arguments: Sequence[str], project: Path, after_s: float) -> bool:
    """Kills the process group after some seconds; False if it had finished before."""
    process = start(arguments, project)
    try:
        process.communicate(timeout=after_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return True
    return False


def outcome(answer: Mapping[str, Any], project: Path) -> dict[str, Any]:
    """Everything that must equal an undisturbed run."""
    store = project / ".aidn"
    bundle = answer.get("bundle")
    return {
        "status": answer.get("status"),
        "outputs": {name: stage["outputs"] for name, stage in answer.get("stages", {}).items()},
        "metrics": answer.get("metrics"),
        "model": answer.get("model"),
        "bundle": sorted(p.name for p in (project / bundle).iterdir()) if bundle else None,
        "versions": versions(store),
        "left": left_over(project, store),
    }


def versions(store: Path) -> list[str]:
    """Model versions in the store's journal."""
    lines = (store / "journal" / "000001.log").read_text().splitlines()
    payloads = [json.loads(line.split(" ", 3)[3]) for line in lines]
    return [p["key"] for p in payloads if p["kind"] == "version" and p["value"]["noun"] == "model"]


def left_over(project: Path, store: Path) -> list[str]:
    """Files that only a live or an interrupted run has."""
    inside = [p for part in ("work", "tmp", "quarantine") for p in (store / part).glob("*")]
    outside = [*project.rglob(".*.new"), *project.rglob(".*.old")]
    return sorted(str(p.relative_to(project)) for p in [*inside, *outside])


def one_kill(
    arguments: Sequence[str], number: int, seconds: float, expected: Mapping[str, Any]
) -> dict[str, Any]:
    """One kill, perhaps a second one during the resume, then the same command to its end."""
    dice = random.Random(number)
    project = Path(tempfile.mkdtemp(prefix="aidn-kill-"))
    try:
        moments = [dice.uniform(0.05, 0.97) * seconds]
        if number % 4 == 3:
            moments.append(dice.uniform(0.05, 0.6) * seconds)
        hits = [killed(arguments, project, moment) for moment in moments]
        code, answer, took = finish(arguments, project)
        found = outcome(answer, project)
        differing = sorted(key for key in expected if found[key] != expected[key])
        if code and not differing:
            differing = [f"exit code {code}"]
        return {
            "number": number,
            "moments_s": [round(m, 2) for m in moments],
            "hits": hits,
            "resumed": sorted(
                n for n, s in answer.get("stages", {}).items() if s["action"] == "resume"
            ),
            "seconds": round(took, 2),
            "differing": differing,
            "error": answer.get("error"),
        }
    finally:
        shutil.rmtree(project, ignore_errors=True)


def series(arguments: Sequence[str], kills: int, results: Path | None) -> list[dict[str, Any]]:
    """The whole series; numbers that are in `results` already are not done again."""
    with tempfile.TemporaryDirectory(prefix="aidn-undisturbed-") as folder:
        code, answer, seconds = finish(arguments, Path(folder))
        if code:
            raise SystemExit(f"the undisturbed run failed: {answer.get('error')}")
        expected = outcome(answer, Path(folder))
    done = (
        [json.loads(line) for line in results.read_text().splitlines()]
        if results and results.exists()
        else []
    )
    known = {row["number"] for row in done}
    for number in range(kills):
        if number in known:
            continue
        row = one_kill(arguments, number, seconds, expected)
        done.append(row)
        if results:
            with results.open("a") as file:
                file.write(json.dumps(row) + "\n")
    return done


def main() -> None:
    """Reads the arguments and prints a summary."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("arguments", nargs="*", default=["recipe=digits"])
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--results", type=Path)
    options = parser.parse_args()
    rows = series(options.arguments or ["recipe=digits"], options.kills, options.results)
    bad = [row for row in rows if row["differing"]]
    hits = sum(sum(row["hits"]) for row in rows)
    print(f"{len(rows)} series, {hits} kills hit a running process, {len(bad)} bad")
    for row in bad:
        print(json.dumps(row))
    raise SystemExit(bool(bad))


if __name__ == "__main__":
    main()
