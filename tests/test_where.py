"""A surge says which site or device it comes from, and nothing where it comes from everywhere."""

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import sqlalchemy
from fastapi.testclient import TestClient

import serve
from data.database import migrate
from data.migrations import MIGRATIONS, keep_attributes
from data.records import Ticket
from data.settings import Settings
from data.simulate import simulate
from data.sources.files import read_tickets, unread_columns
from data.sources.rejects import Rejects
from data.store import Store
from models.where import where
from pipelines.detect import begin, save
from pipelines.feeds import TICKETS
from pipelines.ingest import ingest_tickets
from pipelines.watching import look
from tests.desk import DESK, placed, table

START = datetime(2026, 1, 5, tzinfo=UTC)
ONSET = START + timedelta(days=30, hours=10)
SITES = {"Leeds": 0.2, "York": 0.3, "Hull": 0.5}
DEVICES = {"ThinkPad": 0.3, "MacBook": 0.7}


def usual(n: int, seed: int) -> list[dict[str, str]]:
    """Tickets from everywhere."""
    rng = np.random.default_rng(seed)
    sites = rng.choice(list(SITES), n, p=list(SITES.values()))
    devices = rng.choice(list(DEVICES), n, p=list(DEVICES.values()))
    return [{"site": str(s), "device": str(d)} for s, d in zip(sites, devices, strict=True)]


def many(n: int, seed: int) -> list[dict[str, str]]:
    """Tickets from everywhere with eight attributes, which make 576 combinations to look at."""
    values = np.random.default_rng(seed).integers(0, 2, (n, 8))
    return [{f"a{i}": str(value) for i, value in enumerate(row)} for row in values]


# -- which combination ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "planted",
    [{"site": "Leeds"}, {"device": "ThinkPad"}, {"site": "York", "device": "ThinkPad"}],
    ids=lambda planted: "+".join(planted),
)
def test_a_surge_of_one_place_is_named_as_that_place_and_no_more(planted):
    surge = [one | planted for one in usual(18, 1)] + usual(4, 2)
    found = where(surge, usual(600, 3))
    assert dict(found.attributes) == planted
    assert (found.n >= 18, found.of) == (True, 22)


def test_of_a_surge_from_everywhere_nothing_is_said():
    before = many(600, 0)
    named = [where(many(25, seed), before) for seed in range(1, 81)]
    assert sum(found is not None for found in named) <= 2  # of 80, where one in a hundred may


def test_a_site_that_most_tickets_come_from_anyway_isolates_nothing():
    before = [{"site": "Head office"}] * 570 + [{"site": "Leeds"}] * 30
    assert where([{"site": "Head office"}] * 20, before) is None


def test_what_leaves_most_of_a_surge_out_does_not_isolate_it():
    surge = [{"site": "Leeds"}] * 30 + [{"site": "York"}] * 70 + [{"site": "Hull"}] * 100
    before = [{"site": "Leeds"}] * 10 + [{"site": "York"}] * 390 + [{"site": "Hull"}] * 600
    assert where(surge, before) is None


def test_an_attribute_that_is_not_told_is_unknown():
    """A desk begins to tell sites today: that is no reason to call every ticket's site unusual."""
    before = [{"channel": "phone"}] * 600
    assert where([{"channel": "phone", "site": "Leeds"}] * 20, before) is None
    before = [{"channel": "phone"}] * 600 + usual(100, 1)
    assert dict(where([{"site": "Leeds"}] * 20, before).attributes) == {"site": "Leeds"}


def test_of_tickets_that_tell_nothing_nothing_is_said():
    assert where([{}] * 20, [{}] * 600) is None
    assert where([{"site": "Leeds"}] * 20, [{}] * 600) is None


def test_two_tickets_are_no_pattern():
    assert where([{"site": "Leeds"}] * 2, [{"site": "York"}] * 5000) is None
    assert where([{"site": "Leeds"}] * 20, [{"site": "York"}] * 20) is None  # nor 20 a past


# -- from a desk's file to its alert ----------------------------------------------------------


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A home where VPN tickets of Leeds surged on the 31st day, and mail tickets of everywhere."""
    home = tmp_path_factory.mktemp("where")
    hours = [START + timedelta(hours=n, minutes=7) for n in range(24 * 31)]
    rows = [
        (f"{kind}{n}", at, kind, one["site"], one["device"])
        for kind, seed in (("vpn", 1), ("mail", 2))
        for n, (at, one) in enumerate(zip(hours, usual(len(hours), seed), strict=True))
    ]
    for n, one in enumerate(usual(16, 5)):
        at = ONSET + timedelta(minutes=n)
        rows.append((f"vpn-surge{n}", at, "vpn", "Leeds", one["device"]))
        rows.append((f"mail-surge{n}", at, "mail", one["site"], one["device"]))
    columns = ["id", "opened_at", "category", "Site", "Device"]
    file = table(home / "tickets.csv", columns, rows)
    with placed(home) as place:
        ingest_tickets(place, file)
        save(place, begin(place, TICKETS, ONSET - timedelta(hours=1)), [])
        look(place, ONSET + timedelta(minutes=30), quiet=True)
    return home


def alerts_of(home):
    with placed(home) as place:
        return {one.key: one for one in place.store.alerts(desks=[DESK], kind="surge")}


def test_the_alert_says_where_its_tickets_come_from(desk):
    found = alerts_of(desk)
    vpn = found["vpn"]
    assert vpn.isolated.attributes == {"site": "Leeds"}
    assert vpn.isolated.n >= 16
    assert vpn.isolated.of == vpn.n_tickets
    share = round(100 * vpn.isolated.usual)
    told = f"; {vpn.isolated.n} of {vpn.n_tickets} from site=Leeds; usually {share} %"
    assert vpn.why.endswith(told)
    assert 15 <= share <= 25
    assert found["mail"].isolated is None
    assert "from" not in found["mail"].why


def test_the_page_and_the_endpoint_show_it(desk):
    settings = Settings(home=desk, desk=DESK, open_loopback=True)
    alert = alerts_of(desk)["vpn"]
    app = serve.create_app(settings, now=lambda: ONSET + timedelta(hours=1))
    with TestClient(app, "http://127.0.0.1:8000", client=("127.0.0.1", 5000)) as client:
        assert client.get(f"/v1/alerts/{alert.id}").json()["isolated"]["attributes"] == {
            "site": "Leeds"
        }
        page = client.get(f"/ops/alerts/{alert.id}").text
    assert f"site Leeds: {alert.isolated.n} of {alert.n_tickets} tickets, usually" in page


def test_who_goes_on_in_the_middle_says_the_same(desk, tmp_path):
    """The four weeks before are read anew after a restart, and the alert grows as it would have."""
    with placed(desk) as place:
        place.store.backup(tmp_path / "forewarn.db")
    later = [
        Ticket(DESK, "t", f"l{n}", ONSET + timedelta(minutes=31 + n), labels={"category": "vpn"},
               attributes={"site": "Leeds", "device": "MacBook"})
        for n in range(14)
    ]  # fmt: skip
    before = alerts_of(desk)["vpn"]
    with placed(tmp_path) as place:
        place.store.put_tickets(later)
        look(place, ONSET + timedelta(hours=1), quiet=True)
    grown = alerts_of(tmp_path)["vpn"]
    assert grown.isolated.n > before.isolated.n
    assert (grown.isolated.usual, grown.id) == (before.isolated.usual, before.id)


# -- what tickets tell ------------------------------------------------------------------------


def read(path, **kept):
    rejects = Rejects()
    found = [one for part in read_tickets(path, desk="it", rejects=rejects, **kept) for one in part]
    return found, rejects


def test_columns_become_attributes(tmp_path):
    path = table(
        tmp_path / "t.csv",
        ["opened_at", "category", "Location", "attribute.Build", "Rechner"],
        [("2026-03-02", "VPN", "Leeds", "7.1", "ThinkPad"), ("2026-03-02", "VPN", "n/a", "", "")],
    )
    first, second = read(path, mapping={"attribute.device": "Rechner"})[0]
    assert first.attributes == {"site": "Leeds", "build": "7.1", "device": "ThinkPad"}
    assert second.attributes == {}
    assert unread_columns(path) == ["Rechner"]


def test_attributes_of_json_stand_in_an_object_of_their_own(tmp_path):
    path = tmp_path / "t.jsonl"
    told = {"opened_at": "2026-03-02", "category": "VPN", "attributes": {"site": "York", "os": 12}}
    path.write_text(json.dumps(told) + "\n")
    assert read(path)[0][0].attributes == {"site": "York", "os": "12"}


def test_persons_are_no_attributes(tmp_path):
    path = table(
        tmp_path / "t.csv",
        ["opened_at", "category", "customer", "attribute.user", "attribute.asset"],
        [("2026-03-02", "VPN", "Jo Hill", "jhill", "jo.hill@example.com")],
    )
    (ticket,), rejects = read(path, hmac_key="k" * 32)
    assert ticket.attributes == {}
    assert "customer" in unread_columns(path)  # alone it may be who asked
    assert set(rejects.left_out) == {
        "attribute.user names a person: map it to requester instead, which is hashed",
        "attribute.asset holds personal data or a secret",
    }
    (ticket,), _ = read(path, mapping={"requester": "customer"}, hmac_key="k" * 32)
    assert "Jo Hill" not in repr(ticket)


def test_a_customer_is_an_attribute_beside_who_asked(tmp_path):
    path = table(
        tmp_path / "t.csv",
        ["opened_at", "category", "customer", "caller"],
        [("2026-03-02", "VPN", "Acme", "Jo Hill")],
    )
    assert read(path, hmac_key="k" * 32)[0][0].attributes == {"customer": "Acme"}


def test_the_seventeenth_attribute_is_left_out_and_counted(tmp_path):
    names = [f"attribute.a{n:02}" for n in range(17)]
    path = table(
        tmp_path / "t.csv", ["opened_at", "category", *names], [("2026-03-02", "V", *names)]
    )
    (ticket,), rejects = read(path)
    assert len(ticket.attributes) == 16
    assert list(rejects.left_out) == [
        "attribute.a16 is one attribute too many: 16 are kept of a ticket"
    ]


# -- what is kept -----------------------------------------------------------------------------


def a_ticket(**changed):
    kept = {"desk": "it", "source": "s", "external_id": "1", "opened_at": START}
    return Ticket(**kept | changed)


def test_a_poorer_copy_takes_no_attribute_away(store):
    store.put_tickets([a_ticket(attributes={"site": "Leeds", "device": "ThinkPad"})])
    assert store.put_tickets([a_ticket()]).same == 1
    assert store.put_tickets([a_ticket(attributes={"site": "York"})]).changed == 1
    kept = store.ticket("it", "s", "1").attributes
    assert kept == {"site": "York", "device": "ThinkPad"}


def test_whoever_hands_a_ticket_over_no_person_is_stored(store):
    given = {
        "site": "Leeds",
        "caller_email": "jo@example.com",
        "pc": "jo@example.com",
        "x": "y" * 65,
    }
    store.put_tickets([a_ticket(attributes=given)])
    assert store.ticket("it", "s", "1").attributes == {"site": "Leeds"}


def test_attributes_go_with_the_ticket_that_is_erased(store):
    store.put_tickets([a_ticket(attributes={"site": "Erasedham"})])
    store.erase_ticket("it", "s", "1")
    assert store.ticket("it", "s", "1") is None
    assert store.origins("it", "category", START, START + timedelta(days=1)) == []


def test_tickets_of_before_have_no_attributes_and_can_get_some(url):
    engine = sqlalchemy.create_engine(url)
    migrate(engine, MIGRATIONS[: MIGRATIONS.index(keep_attributes)])
    with engine.begin() as connection:
        told = "'it', 's', '1', 9, '', '', '{}'"
        names = "desk, source, external_id, opened_at, title, body, labels"
        connection.execute(sqlalchemy.text(f"INSERT INTO tickets ({names}) VALUES ({told})"))
    engine.dispose()
    with closing(Store(url)) as store:
        assert store.ticket("it", "s", "1").attributes == {}
        store.put_tickets([a_ticket(attributes={"site": "Leeds"})])
        assert store.ticket("it", "s", "1").attributes == {"site": "Leeds"}


# -- the simulated desk -----------------------------------------------------------------------


def test_some_simulated_faults_strike_one_site_alone():
    made = simulate(2, end=ONSET, weeks=2, incident_weeks=2, tickets_a_week=3000)
    confined = [strike for strike in made.strikes if strike]
    assert 0 < len(confined) < len(made.strikes)
    assert all(set(one.attributes) == {"site", "device"} for one in made.tickets)
    for incident, strike in zip(made.incidents, made.strikes, strict=True):
        if "site" in strike:
            assert share_of(made, incident, strike) > 2 * share_of(made, None, strike)


def share_of(made, incident, strike):
    """The part of the tickets, of an incident's categories while it lasts, that have a site."""
    some = [
        one
        for one in made.tickets
        if incident is None
        or (
            one.labels["category"] in incident.categories
            and incident.onset_at <= one.opened_at < incident.onset_at + timedelta(hours=2)
        )
    ]
    return np.mean([one.attributes["site"] == strike["site"] for one in some])
