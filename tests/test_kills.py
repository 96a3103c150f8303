"""The whole way on real processes, each ended by SIGKILL and run again: nothing lost or doubled."""

import numpy as np
import pytest

from benchmarks.kills import DESK, desk_files, disturbed, kill, run, steps, undisturbed, variables
from data.store import Store


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    """Every command as it runs when nobody disturbs it."""
    folder = tmp_path_factory.mktemp("calm")
    desk_files(folder / "files")
    return undisturbed(steps(folder / "files"), folder / "home")


@pytest.fixture(scope="module")
def alerts(calm, tmp_path_factory):
    """The alerts on metrics of the undisturbed way, in the order they opened."""
    store = Store(f"sqlite:///{tmp_path_factory.getbasetemp() / 'calm0' / 'home' / 'forewarn.db'}")
    found = store.alerts(desks=[DESK], kind="metric")
    store.close()
    return sorted(found, key=lambda alert: alert.opened_at)


def test_a_killed_command_run_again_leaves_what_an_undisturbed_one_leaves(calm, tmp_path):
    outcomes = disturbed(calm, tmp_path, np.random.default_rng(0))
    assert {outcome.name: outcome.differs for outcome in outcomes} == {
        step.name: () for step, _, _ in calm
    }
    assert sum(outcome.met for outcome in outcomes) >= len(calm) - 2


def test_alerts_stand_at_once_when_the_watermark_has_moved_past_them(calm, alerts, tmp_path):
    assert alerts, "the desk must have an alert for this to prove anything"
    env, watching = variables(tmp_path), calm[4]
    for step in (calm[0], calm[3]):
        run(step.step.command, env)
    store = Store(f"sqlite:///{tmp_path / 'forewarn.db'}")

    def looked_past(pid: int) -> bool:
        return dict(store.detections(DESK))["metrics"] > alerts[0].opened_at

    assert kill(watching.step.command, env, looked_past)
    assert alerts[0].id in {alert.id for alert in store.alerts(desks=[DESK])}
    assert store.trace(alerts[0].id) is not None
    store.close()
