"""A challenger scored in the shadow: the same tickets everywhere, unseen, harmless, judged."""

import json
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient

import serve
from api import shadow as shadows
from data.challenger import Challenger, challenger
from data.published import KEPT_VERSIONS, end_shadow, open_version, pointer, publish, shadow
from data.records import Feedback, Shadow, Ticket
from data.settings import Settings
from data.store_shadows import Pair
from data.store_writes import Decided
from models.shadow import is_drawn
from pipelines import shadow as comparing
from pipelines.workspace import workspace
from tests.endpoint import GROUPS, NOW, promote, put_key, train
from tests.receiving import until

NAME = "ticket-default"
OTHERS = ["net" if one == "print" else "print" for one in GROUPS]  # it has learnt all the wrong way
TICKETS = [
    {"external_id": f"T{n}", "title": ("vpn down", "printer jam")[n % 2], "body": "please help"}
    for n in range(40)
]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return train(tmp_path_factory.mktemp("model") / "m")


@pytest.fixture(scope="module")
def contrary(tmp_path_factory):
    return train(tmp_path_factory.mktemp("model") / "m", OTHERS)


@pytest.fixture
def home(tmp_path, model):
    promote(tmp_path, model, "1")
    return tmp_path


def name_challenger(home, folder, version="2", share=1.0):
    return shadow(home, Challenger(NAME, version, f"run{version}", share, NOW), folder)


class Asked:
    """A real app and a client of it."""

    def __init__(self, home, **changed):
        self.settings = Settings(home=home, open_loopback=True, **changed)
        with workspace(self.settings) as place:
            key = put_key(place.store, "score", "tickets", "read")
        # the poll is long: whoever wants a change followed says so
        self.app = serve.create_app(self.settings, now=lambda: NOW, poll_seconds=60)
        self.service = self.app.state.service
        headers = {"Authorization": f"Bearer {key}"}
        self.client = TestClient(self.app, "http://127.0.0.1:8000", headers=headers)

    def __enter__(self):
        self.client.__enter__()
        return self

    def __exit__(self, *raised):
        self.client.__exit__(*raised)

    def post(self, path, sent):
        answer = self.client.post(path, json=sent, headers={"X-Request-ID": "same"})
        assert answer.status_code == 200
        return answer.content

    def told(self):
        (one,) = self.client.get("/v1/models").json()["models"]
        return one["challenger"]

    def wait_for(self, n, *, what=lambda told: told["n_scored"]):
        until(lambda: what(self.told()) >= n)
        return self.told()


def drawn(share):
    return {
        one["external_id"]
        for one in TICKETS
        if is_drawn(f"default\0id\0{one['external_id']}", share)
    }


def stored(home, pair=Pair("1", "2")):  # noqa: B008  it is a tuple
    with workspace(Settings(home=home)) as place:
        return [one.shadow for one in place.store.shadows("default", pair)]


def test_the_same_tickets_are_drawn_by_every_process_and_more_of_them_for_more(home, contrary):
    name_challenger(home, contrary, share=0.4)
    for _ in range(2):  # two processes, in whatever order tickets come
        with Asked(home) as asked:
            for one in reversed(TICKETS):
                asked.post("/v1/tickets", one)
            asked.wait_for(len(drawn(0.4)))
        assert {one.external_id for one in stored(home)} == drawn(0.4)
    assert drawn(0.1) < drawn(0.4) < drawn(1.0)
    many = [is_drawn(f"default\0id\0{n}", 0.1) for n in range(10_000)]
    assert 900 < sum(many) < 1100


def test_a_ticket_without_an_id_is_known_by_its_texts():
    texts, name = {"title": "vpn", "body": "down"}, shadows.TicketName()
    again = dict(reversed(texts.items()))
    assert shadows.key_of("it", texts, name) == shadows.key_of("it", again, name)
    other = {"title": "vpndown", "body": ""}
    assert shadows.key_of("it", texts, name) != shadows.key_of("it", other, name)


def test_answers_are_the_same_to_the_byte_with_and_without_a_shadow(home, contrary):
    def answers():
        with Asked(home) as asked:
            said = [asked.post("/v1/tickets/score", TICKETS), asked.post("/v1/tickets", TICKETS)]
            said += [asked.post("/v1/tickets/score?explain=words", TICKETS[:3])]
            if asked.told():
                asked.wait_for(2 * len(TICKETS) + 3)
            said.append(asked.post("/v1/tickets", TICKETS))
            return said

    answers()  # so that the tickets are known both times
    alone = answers()
    name_challenger(home, contrary)
    assert answers() == alone


def test_stored_tickets_keep_what_both_said_and_others_leave_counts_alone(home, contrary):
    name_challenger(home, contrary)
    with Asked(home) as asked:
        (said,) = json.loads(asked.post("/v1/tickets", TICKETS[0]))["results"]
        asked.post("/v1/tickets/score", TICKETS[1:8])
        asked.wait_for(8)
        metrics = asked.client.get("/metrics").text
    (one,) = stored(home)
    ours = said["targets"]["group"]
    assert (one.label, one.probability, one.decision) == (
        ours["label"], ours["probability"], ours["decision"],
    )  # fmt: skip
    assert (one.external_id, one.champion, one.challenger) == ("T0", "1", "2")
    assert (one.label, one.their_label) == ("net", "print")
    versions = 'desk="default",champion="1",version="2"'
    assert f"forewarn_shadow_tickets_total{{{versions}}} 8" in metrics
    assert f'answers_total{{{versions},target="group",label="other"}} 8' in metrics
    with workspace(Settings(home=home)) as place:
        assert len(place.store.predictions("default", "api", "T0")) == 1
        found = comparing.compared(place)
    (row,) = found.seen
    assert (row.n, row.n_same, found.cost.n) == (8, 0, 1)


def test_a_request_for_a_version_of_its_own_has_no_shadow(home, contrary, model):
    promote(home, model, "3")
    name_challenger(home, contrary)
    with Asked(home) as asked:
        asked.client.headers["X-Model-Version"] = "1"
        asked.post("/v1/tickets/score", TICKETS)
        del asked.client.headers["X-Model-Version"]
        asked.post("/v1/tickets/score", TICKETS[:1])
        asked.wait_for(1)
        assert asked.service.shadows.counts["shadow_tickets", "default", "3", "2"] == 1


def test_what_was_erased_meanwhile_is_not_kept(store):
    ticket = Ticket("it", "api", "T1", NOW)
    said = Shadow("it", "api", "T1", "group", "1", "2", "a", 0.9, "auto", "b", 0.8, "auto", NOW)
    assert sum(store.put_shadows([said])) == 0
    store.put_tickets([ticket])
    assert store.put_shadows([said]).new == 1
    assert store.put_shadows([said]).same == 1
    assert store.erase_ticket("it", "api", "T1")["shadows"] == 1


class TestHarm:
    def test_a_challenger_that_cannot_be_loaded_is_told_and_answers_go_on(self, home, contrary):
        name_challenger(home, contrary)
        (home / "models" / NAME / "2" / "triage.json").write_text("{}")
        with Asked(home) as asked:
            asked.post("/v1/tickets", TICKETS)
            told = asked.told()
            metrics = asked.client.get("/metrics").text
        assert "was changed since it was published" in told["fault"]
        assert (told["loaded_at"], told["not_scored"]) == (None, {"unloaded": 40})
        assert 'forewarn_shadow_loaded{desk="default",version="2"} 0' in metrics
        later = serve.create_app(asked.settings, now=lambda: NOW + timedelta(minutes=2))
        with TestClient(later, "http://127.0.0.1:8000", client=("127.0.0.1", 5000)) as machine:
            page = machine.get("/ops/status").text
        assert "Challengers in the shadow" in page
        assert "40 unloaded" in page

    def test_a_challenger_that_raises_is_counted_and_the_next_ticket_comes(self, home, contrary):
        name_challenger(home, contrary)
        with Asked(home) as asked:
            model = asked.service.shadows.challengers.get("default").model
            whole = model.triage.promises.pop("group")  # it loaded, and breaks on the first ticket
            asked.post("/v1/tickets", TICKETS[:3])
            told = asked.wait_for(3, what=lambda told: told["not_scored"].get("failed", 0))
            assert told["n_scored"] == 0
            model.triage.promises["group"] = whole
            asked.post("/v1/tickets", TICKETS[3:5])
            asked.wait_for(2)
        assert {one.external_id for one in stored(home)} == {"T3", "T4"}

    def test_a_damaged_pointer_harms_neither_answers_nor_a_promotion(self, home, model, contrary):
        (home / "models" / NAME / "challenger.json").write_text("no json")
        with Asked(home) as asked:
            asked.post("/v1/tickets/score", TICKETS)
            assert asked.told() is None
        promote(home, contrary, "2")
        assert pointer(home, NAME).version == "2"
        assert name_challenger(home, model, "1") == challenger(home, NAME)

    def test_nothing_is_scored_before_the_answer_and_what_is_too_much_is_left(
        self, home, contrary, monkeypatch
    ):
        monkeypatch.setattr(shadows, "MOST_WAITING", 5)
        name_challenger(home, contrary)
        gate, seen = threading.Event(), []
        with Asked(home) as asked:
            plain = asked.service.shadows._reader

            def slow(model, columns):
                seen.append(model.version)
                gate.wait(10)
                return plain(model, columns)

            asked.service.shadows._reader = slow
            asked.post("/v1/tickets/score", TICKETS[:1])
            until(lambda: seen)
            asked.post("/v1/tickets/score", TICKETS)  # answered while the challenger stands still
            assert asked.told()["not_scored"] == {"full": 35}
            gate.set()
            asked.wait_for(6)


class TestPointer:
    def test_named_twice_is_named_once_and_stopped_it_is_gone(self, home, contrary):
        first = name_challenger(home, contrary)
        again = shadow(home, replace(first, since=NOW + timedelta(hours=1)), contrary)
        assert again == first == challenger(home, NAME)
        assert end_shadow(home, NAME) == first
        assert (challenger(home, NAME), end_shadow(home, NAME)) == (None, None)

    def test_a_promoted_challenger_is_nobodys_shadow(self, home, model, contrary):
        name_challenger(home, contrary)
        publish(home, NAME, "3", "run3", model)  # another one leaves it be
        assert challenger(home, NAME).version == "2"
        promote(home, contrary, "2")
        assert challenger(home, NAME) is None
        with Asked(home) as asked:
            assert asked.told() is None

    def test_it_is_kept_however_many_are_promoted_after_it(self, home, model, contrary):
        name_challenger(home, contrary)
        for number in range(3, 4 + KEPT_VERSIONS):
            promote(home, model, str(number))
        assert open_version(home, NAME, "2").version == "2"

    @pytest.mark.parametrize("share", [0.0, -1.0, 1.5, float("nan")])
    def test_a_share_that_is_none_is_refused(self, share):
        with pytest.raises(ValueError, match=r"share must lie in \(0, 1\], got"):
            Challenger(NAME, "2", "r", share, NOW)

    def test_an_endpoint_that_runs_follows_it(self, home, contrary):
        with Asked(home) as asked:
            follow = asked.service.shadows.challengers.refresh
            name_challenger(home, contrary)
            follow()
            asked.post("/v1/tickets", TICKETS[:1])
            asked.wait_for(1)
            end_shadow(home, NAME)
            follow()
            asked.post("/v1/tickets", TICKETS[1:])
            assert asked.told() is None
        assert len(stored(home)) == 1


def put_pairs(store, pairs):
    """A ticket each: the champion's label, the challenger's, and what people say it is."""
    for number, (ours, theirs, truth) in enumerate(pairs):
        key = ("default", "api", f"J{number}")
        store.put_tickets([Ticket(*key, NOW, labels={"group": "net"} if not number else {})])
        store.put_shadows(
            [Shadow(*key, "group", "1", "2", ours, 0.9, "auto", theirs, 0.9,
                    "auto" if theirs else "abstain", NOW)]
        )  # fmt: skip
        if truth:
            store.put_feedback(
                [
                    Feedback(*key, "group", truth, NOW, "ann"),
                    Feedback(*key, "group", "nonsense", NOW - timedelta(hours=1), "bob"),
                ]
            )


def test_who_was_right_is_counted_on_exactly_the_judged_tickets(store):
    pairs = [
        ("net", "net", None),  # the desk's own label says net: both right
        ("net", "print", "print"),
        ("net", "print", "print"),
        ("net", None, "net"),  # who says nothing is not right
        ("net", "print", "disk"),
        ("net", "print", None),  # nobody has judged it
    ]
    put_pairs(store, pairs)
    assert store.last_shadow("default") == Pair("1", "2")
    assert store.last_shadow("hr") is None
    judged = store.shadows("default", Pair("1", "2"))
    right = comparing.right(judged)
    assert right[:5] == (5, 2, 3, 1, 2)
    assert right.lead == pytest.approx(0.2)
    assert right.p == 1.0
    assert comparing.alone_rows({"group": judged}) == [["group", "5", "3", "4", "1"]]
    ((*_, said),) = comparing.heard_rows({"group": judged})
    assert said == "too early to tell: 5 judged, 50 wanted"
    assert comparing.otherwise(judged) == [("net → print", 4), ("net → nothing", 1)]


def test_a_label_that_we_may_have_written_ourselves_judges_nobody(store):
    put_pairs(store, [("net", "print", None)])
    pair = Pair("1", "2")
    assert [one.truth for one in store.shadows("default", pair)] == ["net"]
    store.put_predictions([], [Decided("default", "api", "J0", {"group": "net"}, NOW)])
    assert [one.truth for one in store.shadows("default", pair)] == [None]
    store.put_feedback([Feedback("default", "api", "J0", "group", "print", NOW, "ann")])
    assert [one.truth for one in store.shadows("default", pair)] == ["print"]


def test_a_lead_beyond_luck_is_told(home):
    with workspace(Settings(home=home)) as place:
        put_pairs(place.store, [("net", "print", "print")] * 20 + [("net", "net", "net")] * 40)
        ((*_, said),) = comparing.heard_rows(comparing.compared(place).judged)
    assert said == "the challenger is better"


@pytest.fixture
def trained(forewarn, tmp_path):
    """Two registered versions of which the first is served."""
    file, texts = tmp_path / "tickets.csv", ("printer jam", "old printer", "vpn down", "my vpn")
    for groups, more in ((GROUPS, ["--promote"]), (OTHERS, [])):
        labels = [groups[0], groups[0], groups[3], groups[3]]
        rows = [f"{texts[n % 4]} {n},{labels[n % 4]}\n" for n in range(200)]
        file.write_text("title,group\n" + "".join(rows))
        told = forewarn(
            "train", str(file), "--target", "group", "--text", "title", "--no-encoder", *more
        )
        assert told[0] == 0, told
    return forewarn


def test_the_command_names_compares_lists_and_ends(trained, tmp_path):
    forewarn = trained
    assert "No challenger has been scored yet" in forewarn("models", "shadow")[1]
    code, out, _ = forewarn("models", "shadow", "2", "--share", "0.25")
    assert (code, "ticket-it version 2 is scored on 0.25 of the tickets" in out) == (0, True)
    assert "shadow, 25%" in forewarn("models", "list")[1]
    code, out, _ = forewarn("models", "shadow")
    assert (code, "No ticket has been scored by both yet" in out) == (0, True)
    code, _, err = forewarn("models", "shadow", "1")
    assert (code, "version 1 is" in err) == (2, True)
    assert forewarn("models", "shadow", "9")[0] == 2
    code, out, _ = forewarn("models", "shadow", "--stop")
    assert (code, "version 2 is no longer scored" in out) == (0, True)
    code, _, err = forewarn("models", "shadow", "--stop")
    assert (code, "no challenger of 'ticket-it'" in err) == (2, True)
    assert "challenger named" in forewarn("audit-log")[1]


def test_the_command_prints_who_was_right(home, forewarn, monkeypatch, contrary):
    monkeypatch.setenv("FOREWARN_HOME", str(home))
    monkeypatch.setenv("FOREWARN_DESK", "default")
    name_challenger(home, contrary)
    with Asked(home) as asked:
        asked.post("/v1/tickets", TICKETS)
        asked.wait_for(len(TICKETS))
    with workspace(Settings(home=home)) as place:
        now = datetime.now(UTC)
        place.store.put_feedback(
            [
                Feedback("default", "api", one["external_id"], "group", "net", now, "ann")
                for one in TICKETS[::2]
            ]
        )
    code, out, _ = forewarn("models", "shadow")
    told = " ".join(out.split())
    assert code == 0
    assert "version 2 in the shadow of version 1, on 1 of the tickets" in told
    assert "too early" in told
    assert "champion leans" not in told
    assert "net → print 20" in told
    assert "CPU a ticket, each read alone" in told
