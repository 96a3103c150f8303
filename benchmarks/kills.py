"""Commands killed at random moments and run again: does anything get lost or doubled?"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from data.history import History
from data.store import Store


@dataclass(frozen=True)
class Held:
    """What an installation holds: rows by table, points and their sum, alerts by id."""

    counts: dict[str, int]
    points: int
    total: float
    alerts: tuple[str, ...]
    versions: int


def run(command: Sequence[str], env: Mapping[str, str]) -> float:
    """Run a `forewarn` command to its end; the seconds that it took."""
    began = time.monotonic()
    subprocess.run(forewarn(command), env=full(env), check=True, capture_output=True)
    return time.monotonic() - began


def kill(command: Sequence[str], env: Mapping[str, str], after_seconds: float) -> bool:
    """Start a command and end its whole process group; whether it was still running then."""
    process = subprocess.Popen(
        forewarn(command),
        env=full(env),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        process.wait(after_seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    return False


def killed(
    command: Sequence[str],
    env: Mapping[str, str],
    n: int,
    seconds: float,
    rng: np.random.Generator,
) -> int:
    """Kill a command `n` times at moments drawn from its `seconds`, then let it end.

    How many of the kills met it alive.
    """
    alive = sum(kill(command, env, float(rng.uniform(0.1, seconds))) for _ in range(n))
    run(command, env)
    return alive


def held(home: Path, desk: str) -> Held:
    """What stands under a home."""
    store = Store(f"sqlite:///{home / 'forewarn.db'}")
    try:
        history = History(store.engine, home / "history")
        span = history.span(desk)
        matrix = history.read(desk, None, span[0], after(span[1]))[2] if span else np.zeros(0)
        alerts = store.alerts(desks=[desk], limit=10_000)
        return Held(
            counts=store.counts(desk),
            points=int(np.isfinite(matrix).sum()),
            total=float(np.nansum(matrix)),
            alerts=tuple(sorted(alert.id for alert in alerts)),
            versions=len(list((home / "models").glob("*/*/manifest.json"))),
        )
    finally:
        store.close()


def after(at: datetime) -> datetime:
    """A moment later, so that the last point lies before it."""
    return at + timedelta(seconds=1)


def forewarn(command: Sequence[str]) -> list[str]:
    """The command line of this environment."""
    return [sys.executable, "-m", "pipelines", *command]


def full(env: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with those variables."""
    return {**os.environ, **env}
