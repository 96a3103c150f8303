"""The whole way on real processes, each ended by SIGKILL and run again: nothing lost or doubled."""

import numpy as np
import pytest

from benchmarks.kills import (
    DESK,
    Calm,
    desk_files,
    disturbed,
    kill,
    run,
    steps,
    undisturbed,
    variables,
)
from data.store import Store

pytestmark = pytest.mark.timeout(900)  # a minute of work; more where others use the machine too


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Where nobody disturbs anything."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def calm(home) -> dict[str, Calm]:
    """Every command, by name, as it runs when nobody disturbs it."""
    desk_files(home / "files", tickets_a_week=300)
    return {done.step.name: done for done in undisturbed(steps(home / "files"), home)}


def store_of(home):
    return Store(f"sqlite:///{home / 'forewarn.db'}")


def test_a_killed_command_run_again_leaves_what_an_undisturbed_one_leaves(calm, tmp_path):
    outcomes = disturbed(list(calm.values()), tmp_path, np.random.default_rng(0))
    assert {outcome.name: outcome.differs for outcome in outcomes} == dict.fromkeys(calm, ())
    assert sum(outcome.met for outcome in outcomes) >= len(calm) - 1


def test_alerts_stand_as_soon_as_the_watermark_has_moved_past_them(calm, home, tmp_path):
    store = store_of(home)
    alerts = sorted(store.alerts(desks=[DESK], kind="metric"), key=lambda alert: alert.opened_at)
    store.close()
    assert alerts, "wanted a desk with alerts, or this proves nothing"
    env, store = variables(tmp_path), store_of(tmp_path)
    for name in ("ingest metrics", "detect, learning"):
        run(calm[name].step.command, env)
    for alert in alerts[:3]:

        def looked_past(pid: int, opened_at=alert.opened_at) -> bool:
            return dict(store.detections(DESK))["metrics"] > opened_at

        assert kill(calm["detect, watching"].step.command, env, looked_past)
        assert alert.id in {one.id for one in store.alerts(desks=[DESK])}
        assert store.trace(alert.id) is not None
    store.close()
