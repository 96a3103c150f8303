"""What the endpoint did, on its way: counted, stored, and taken to MLflow once."""

from datetime import datetime, timedelta

import pytest
from fastapi.testclient import TestClient

import serve
from api.traffic import Traffic
from data.database import UNREACHABLE
from data.records import Feedback, Prediction, ServingWindow
from data.settings import Settings
from data.store import Store
from models.drift import drifts
from ops.office import Visitor
from ops.status import serving
from pipelines import monitor
from pipelines.workspace import workspace
from tests.endpoint import NOW, free_port, promote, put_key, train

MINUTE = timedelta(minutes=1)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.at = NOW + timedelta(seconds=10)

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return train(tmp_path_factory.mktemp("model") / "m")


@pytest.fixture
def home(tmp_path, model):
    promote(tmp_path, model, "7")
    Store(Settings(home=tmp_path).database_url).close()
    return tmp_path


@pytest.fixture
def place(home):
    with workspace(Settings(home=home)) as place:
        yield place


def served(place):
    """Two minutes of a real app: three tickets and a refusal, then one ticket, which is stored."""
    clock, key = Clock(), put_key(place.store, "score", "tickets")
    app = serve.create_app(place.settings, now=clock, poll_seconds=60)
    headers = {"Authorization": f"Bearer {key}"}
    with TestClient(app, base_url="http://127.0.0.1:8000", headers=headers) as client:
        tickets = [{"title": "vpn down"}, {"title": "vpn slow"}, {"title": "printer jam"}]
        told = client.post("/v1/tickets/score", json=tickets).json()["results"]
        assert client.post("/v1/tickets/score?desk=hr", json=tickets).status_code == 503
        clock.at += MINUTE
        told += client.post("/v1/tickets", json={"external_id": "1", "title": "my vpn"}).json()[
            "results"
        ]
    return [one["targets"]["group"] for one in told]


def runs(place):
    client = place.registry().client
    experiment = client.get_experiment_by_name("serving")
    return [] if experiment is None else client.search_runs([experiment.experiment_id])


def history(place, name):
    """The values of a metric of the only run, as (step, value), each as often as it is there."""
    (run,) = runs(place)
    found = place.registry().client.get_metric_history(run.info.run_id, name)
    return sorted((one.step, one.value) for one in found)


def test_a_process_that_served_is_a_run_whose_metrics_are_what_it_did(place):
    said = served(place)
    done = monitor.monitor(place, NOW + 5 * MINUTE)
    assert (done.windows, done.processes, done.ended, done.trouble) == (2, 1, 1, "")
    assert history(place, "requests") == [(0, 2), (1, 1)]
    assert history(place, "status_503") == [(0, 1)]
    assert history(place, "tickets/default/7") == [(0, 3), (1, 1)]
    decided = [one["decision"] for one in said[:3]]
    for decision in set(decided):
        name = f"decisions/default/group/{decision}"
        assert history(place, name)[0] == (0, decided.count(decision))
    sure = sum(one["probability"] for one in said[:3]) / 3
    assert history(place, "confidence/default/group")[0] == (0, pytest.approx(sure))
    assert all(0 < value < 60 for _, value in history(place, "seconds_p99"))
    (run,) = runs(place)
    assert run.info.status == "FINISHED"
    assert run.data.params["model/default/7"] == f"since {NOW.isoformat()}"
    assert {"host", "pid", "started_at", "forewarn"} <= set(run.data.params)
    assert monitor.monitor(place, NOW + 10 * MINUTE) == monitor.Taken()


def test_killed_between_telling_and_marking_nothing_is_doubled(place):
    served(place)
    monitor.tell(place.registry(), place.store.unsent_serving(10))  # and here it is killed
    assert monitor.monitor(place, NOW + 5 * MINUTE).windows == 2
    assert history(place, "requests") == [(0, 2), (1, 1)]
    assert len(runs(place)) == 1


def test_while_mlflow_is_away_nothing_is_lost_and_it_is_said_once(home, place):
    served(place)
    away = Settings(home=home, mlflow_uri=f"http://127.0.0.1:{free_port()}")
    with workspace(away) as without:
        done = monitor.monitor(without, NOW + 5 * MINUTE)
    assert done.windows == 0
    assert done.trouble.startswith(f"MLflow at {away.mlflow_uri} cannot be told: ")
    assert "Nothing is lost" in done.trouble
    assert monitor.monitor(place, NOW + 6 * MINUTE).windows == 2
    assert history(place, "requests") == [(0, 2), (1, 1)]


def a_window(at, figures=None, **changed):
    told = {"process": "a" * 32, "host": "box", "pid": 7, "started_at": NOW, "forewarn": "0.1.0"}
    return ServingWindow(at=at, figures=figures or {}, **told | changed)


def test_a_run_ends_an_hour_after_its_process_fell_silent(place):
    place.store.put_serving([a_window(NOW)])
    assert monitor.monitor(place, NOW + 60 * MINUTE).ended == 0
    assert monitor.monitor(place, NOW + 61 * MINUTE).ended == 1
    (run,) = runs(place)
    assert run.info.end_time == int((NOW + MINUTE).timestamp() * 1000)
    assert monitor.monitor(place, NOW + 70 * MINUTE) == monitor.Taken()


class Away:
    """A store that is away until it is told to come back."""

    def __init__(self, store):
        self.store, self.is_away, self.said = store, True, 0

    def __call__(self):
        if self.is_away:
            raise UNREACHABLE[0]("INSERT", {}, OSError("down"))
        return self.store

    def say_unreachable(self, error):
        self.said += 1


def test_while_the_store_is_away_the_newest_windows_wait(place):
    clock, away = Clock(), Away(place.store)
    traffic = Traffic(away, clock, limit=3)
    for n in range(5):
        for _ in range(n + 1):
            traffic.count("/healthz", 200, 0.001)
        clock.at += MINUTE
        traffic.step()
    assert away.said == 5
    away.is_away = False
    traffic.close()
    written = place.store.serving(None)
    assert [one.figures.get(("requests",), 0) for one in written] == [4, 5, 0]
    assert [one.is_last for one in written] == [False, False, True]


def bins(n_by_bin, version="7"):
    at = ("default", version)
    counts = {("bins", *at, "group", str(k)): n for k, n in n_by_bin.items()}
    n = sum(n_by_bin.values())
    said = {("decisions", *at, "group", "auto"): n, ("sure", *at, "group"): 0.9 * n}
    return counts | said | {("tickets", *at, "fast"): n}


def test_drift_is_against_the_first_thousand_tickets_whatever_came_before_them_is_gone(place):
    store, later = place.store, NOW + timedelta(days=20)
    put = [a_window(NOW + k * MINUTE, bins({9: 450, 5: 50})) for k in range(2)]
    store.put_serving([*put, a_window(NOW + 2 * MINUTE, bins({9: 90, 5: 10}))])
    monitor.keep_firsts(place, NOW + 3 * MINUTE)
    (alone,) = drifts(store.serving(None), store.serving_firsts())
    assert alone.psi != alone.psi, "a hundred later tickets say nothing"
    store.put_serving([a_window(later, bins({9: 100, 5: 200}))])
    monitor.keep_firsts(place, later + MINUTE)
    assert monitor.expire(place, NOW + timedelta(days=31)) == 3
    (found,) = drifts(store.serving(later), store.serving_firsts())
    assert (found.desk, found.version, found.target) == ("default", "7", "group")
    assert found.psi > 0.25


def test_a_window_is_written_once_and_stays_what_it_was(store):
    window = a_window(NOW, {("requests",): 2, ("sure", "it", "7", "group"): 0.1 + 0.2})
    assert store.put_serving([window, a_window(NOW + MINUTE)]) == 2
    assert store.put_serving([a_window(NOW, {("requests",): 9})]) == 0
    store.mark_serving_sent(window.process, [NOW + MINUTE])
    assert store.unsent_serving(10) == [window]
    assert [one.at for one in store.serving_running()] == [NOW + MINUTE]
    store.mark_serving_ended(window.process, NOW + MINUTE)
    assert store.serving_running() == []


def test_what_was_decided_alone_is_held_against_peoples_last_word(store):
    words = [("net", "net"), ("net", "print"), ("net", "print"), ("print", "net")]
    said = [("auto", *both) for both in words] + [("suggest", "print", "print")]
    for number, (decision, first, last) in enumerate(said):
        key = ("it", "api", str(number), "group")
        store.put_predictions([Prediction(*key, "net", 0.9, decision, "ticket-it", "7", "r", NOW)])
        store.put_feedback(
            [Feedback(*key, last, NOW + MINUTE, "ann"), Feedback(*key, first, NOW, "bob")]
        )
    ((version, target, n, n_right),) = store.heard("it")
    assert (version, target, n, n_right) == ("7", "group", 4, 2)
    assert store.heard("hr") == []


@pytest.fixture
def lately():
    """A minute of just now."""
    now = datetime.now(NOW.tzinfo).replace(second=0, microsecond=0)
    counts = bins({9: 3}) | {("requests",): 2, ("took", "40"): 2, ("status", "503"): 1}
    hers = {("tickets", "hr", "4", "fast"): 9, ("bins", "hr", "4", "secret", "9"): 9}
    hers |= {("decisions", "hr", "4", "secret", "auto"): 9, ("sure", "hr", "4", "secret"): 8.1}
    return a_window(now - 2 * MINUTE, counts | hers, started_at=now - 3 * MINUTE)


def test_commands_say_what_was_taken_and_what_each_version_did(home, forewarn, lately, monkeypatch):
    monkeypatch.setenv("FOREWARN_HOME", str(home))
    monkeypatch.setenv("FOREWARN_DESK", "default")
    with workspace(Settings(home=home)) as place:
        place.store.put_serving([lately])
    code, told, _ = forewarn("monitor")
    assert code == 0
    assert "1 minutes of 1 processes went to MLflow" in told
    assert "2 requests (0 × 429, 1 × 503, 0 × 5xx)" in told
    assert "not known yet" in told
    _, told, _ = forewarn("status")
    assert "the last hour: 2 requests" in told
    assert "group by version 7: 3 tickets" in told
    assert "secret" not in told, "another desk's"


def test_the_page_shows_the_last_hour_of_the_desks_that_somebody_sees(home, place, lately):
    place.store.put_serving([lately])
    at = lately.at + 2 * MINUTE
    settings = Settings(home=home, open_loopback=True)
    app = serve.create_app(settings, now=lambda: at, poll_seconds=60)
    with TestClient(app, "http://127.0.0.1:8000", client=("127.0.0.1", 5000)) as machine:
        page = machine.get("/ops/status").text
    assert "Served in the last hour" in page
    assert "0 × 429, 1 × 503" in page
    assert "secret" in page
    visitor = Visitor("ann", frozenset({"default"}), may_act=False, is_signed_in=True)
    (one,) = serving(app.state.service, visitor)["said"]
    assert (one["desk"], one["tickets"], one["auto"]) == ("default", "3", "100.0 %")
