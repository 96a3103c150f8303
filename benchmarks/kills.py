"""Commands killed at random moments and run again: does anything get lost or doubled?"""

import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.held import Held, held
from benchmarks.page import table
from data.points import Points
from data.simulate import simulate, write
from data.store import Store

DESK, N_ROUNDS = "demo", 4
END = datetime(2025, 3, 3, tzinfo=UTC)  # long past, so that all of it is old enough to compact
LIVE_FROM = END - timedelta(weeks=1)
STEP_SECONDS = 900  # a coarse grid: a third of the steps, and the same saves
COLUMNS = (
    "command",
    "undisturbed, CPU s",
    "kills",
    "met it running",
    "equal afterwards",
    "differs",
)


class Step(NamedTuple):
    """One `forewarn` command of the whole way."""

    name: str
    command: tuple[str, ...]


class Calm(NamedTuple):
    """A step that nobody disturbed: its CPU seconds, and what stood there after it."""

    step: Step
    seconds: float
    held: Held


Moment = Callable[[int], bool]
"""Told the id of a running process: whether it is to be ended now."""


class Outcome(NamedTuple):
    """A step that was killed and run again. `differs` names what is not as it should be."""

    name: str
    met: bool
    differs: tuple[str, ...]


# -- the whole way ------------------------------------------------------------------------------


def desk_files(folder: Path, *, weeks: int = 3, tickets_a_week: int = 1000) -> None:
    """A small simulated desk's files: of its metrics, one in three."""
    desk = simulate(0, end=END, weeks=weeks, tickets_a_week=tickets_a_week)
    points = desk.points
    chosen = np.isin(points.series, sorted(set(points.series))[::3])
    few = Points(points.series[chosen], points.at[chosen], points.values[chosen])
    write(replace(desk, points=few), folder)


def steps(files: Path) -> list[Step]:
    """Every command that writes, in the order of a first day."""
    tickets, metrics = str(files / "tickets.csv"), str(files / "metrics.csv")
    learn = ("--target", "category", "--promote")
    return [
        Step("ingest metrics", ("ingest", "metrics", metrics)),
        Step("ingest tickets", ("ingest", "tickets", tickets)),
        Step("train", ("train", tickets, *learn)),
        Step("detect, learning", ("detect", "--until", f"{LIVE_FROM:%Y-%m-%d}")),
        Step("detect, watching", ("detect", "--until", f"{END:%Y-%m-%d}")),
        Step("compact", ("compact",)),
    ]


def undisturbed(plan: Sequence[Step], home: Path) -> list[Calm]:
    """The whole way as it should be."""
    return [Calm(step, run(step.command, variables(home)), held(home, DESK)) for step in plan]


def disturbed(calm: Sequence[Calm], home: Path, rng: np.random.Generator) -> list[Outcome]:
    """The whole way, each command killed once at a random moment and then run to its end."""
    outcomes, env = [], variables(home)
    for step, seconds, wanted in calm:
        met = kill(step.command, env, after(float(rng.uniform(0, seconds))))
        run(step.command, env)
        outcomes.append(Outcome(step.name, met, held(home, DESK).differs(wanted)))
    return outcomes


def verdicts(n_rounds: int = N_ROUNDS, seed: int = 0) -> list[list[str]]:
    """For each command how many kills met it running, and after how many all was as it should."""
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as aside:
        files = Path(aside) / "files"
        desk_files(files)
        calm = undisturbed(steps(files), Path(aside) / "calm")
        rounds = []
        for number in range(n_rounds):
            rounds.append(disturbed(calm, Path(aside) / f"round-{number}", rng))
            sys.stderr.write(f"  round {number + 1} of {n_rounds}: {rounds[-1]}\n")
    return [verdict(*of) for of in zip(calm, zip(*rounds, strict=True), strict=True)]


def verdict(calm: Calm, outcomes: Sequence[Outcome]) -> list[str]:
    """A command's row of the table."""
    differs = sorted({what for outcome in outcomes for what in outcome.differs})
    return [
        f"`{calm.step.name}`",
        f"{calm.seconds:.1f}",
        str(len(outcomes)),
        str(sum(outcome.met for outcome in outcomes)),
        str(sum(not outcome.differs for outcome in outcomes)),
        ", ".join(differs) or "nothing",
    ]


def markdown(rows: list[list[str]]) -> str:
    return table(COLUMNS, rows)


# -- running and killing ------------------------------------------------------------------------


def run(command: Sequence[str], env: Mapping[str, str]) -> float:
    """Run a `forewarn` command to its end; the CPU seconds that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(forewarn(command), env=env, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"forewarn {' '.join(command)} came to {done.returncode}: {done.stderr}")
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    return now.ru_utime + now.ru_stime - before.ru_utime - before.ru_stime


def kill(command: Sequence[str], env: Mapping[str, str], moment: Moment) -> bool:
    """Start a command and end its whole process group once it is `moment`.

    Whether it was still running then.
    """
    process = subprocess.Popen(
        forewarn(command),
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while process.poll() is None:
        if moment(process.pid):
            os.killpg(process.pid, signal.SIGKILL)
            break
        time.sleep(0.0002)
    met = process.wait() == -signal.SIGKILL
    if met and command[0] == "detect":
        let_go(Path(env["FOREWARN_HOME"]), process.pid)
    return met


def after(cpu_seconds: float) -> Moment:
    """When a process has worked for so long: unlike the clock's, its own time knows no load."""
    return lambda pid: worked(pid) >= cpu_seconds


def worked(pid: int) -> float:
    """CPU seconds of a process that has not been waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def let_go(home: Path, pid: int) -> None:
    """Give back a killed detection's lease, which else holds the next one up for a minute."""
    store = Store(f"sqlite:///{home / 'forewarn.db'}")
    try:
        store.release_lease(f"detect-{DESK}", f"{socket.gethostname()}:{pid}")
    finally:
        store.close()


def forewarn(command: Sequence[str]) -> list[str]:
    """The command line of this environment."""
    return [sys.executable, "-m", "pipelines", *command]


def variables(home: Path) -> dict[str, str]:
    """This process's environment, for an installation whose pseudonyms are always the same."""
    kept = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    return kept | {
        "FOREWARN_HOME": str(home),
        "FOREWARN_DESK": DESK,
        "FOREWARN_HMAC_KEY": "a" * 32,
        "FOREWARN_STEP_SECONDS": str(STEP_SECONDS),
    }
