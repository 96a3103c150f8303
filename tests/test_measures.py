"""The measures of a desk: every figure counted by hand, and again by other people's code."""

import csv
import io
import json
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import CensoredData, ecdf

from data.records import Ticket
from data.settings import Settings
from data.store import Store
from models.handled import Handled
from models.survival import quantile
from models.triage import Triage
from pipelines.report import recurring
from pipelines.report import report as report_of
from tests import endpoint
from tests.desk import DESK, placed, table
from tests.handling import DAY, FEBRUARY, put_incidents, tickets_file

DATA = Path(os.environ.get("FOREWARN_DATA") or Path(__file__).parents[2] / "shared" / "data")
EVENTS = DATA / "tickets" / "uci_incident_event_log.csv.gz"
MINUTE, HOUR = 60.0, 3600.0


@pytest.fixture
def desk(forewarn, tmp_path):
    """A home with the tickets, the incidents and what detection said of them."""
    assert forewarn("ingest", "tickets", str(tickets_file(tmp_path)))[0] == 0
    store = Store(Settings(home=tmp_path / "home").database_url)
    put_incidents(store, "it")
    store.close()
    return forewarn


def report(desk, *arguments):
    code, out, err = desk("report", "--since", "2026-02-05", "--format", "json", *arguments)
    assert (code, err) == (0, "")
    return json.loads(out)


def counts(one):
    return {name: one[name] for name in ("n", "n_yes", "n_open", "n_never", "n_unknown")}


WHOLE = {  # measure: n, n_yes, n_open, n_never, n_unknown, median or share
    "detect": (6, 5, 0, 1, 0, 22.5 * MINUTE),
    "acknowledge_alert": (6, 6, 0, 0, 0, 3.5 * MINUTE),
    "acknowledge": (9, 8, 1, 0, 0, 5 * MINUTE),
    "respond": (8, 7, 1, 0, 1, 45 * MINUTE),
    "resolve": (9, 7, 2, 0, 0, 6 * HOUR),
    "volume": (9, 8, 0, 0, 0, 1.0),
    "recur": (9, 7, 0, 0, 0, 7 / 9),
    "recur_incident": (6, 4, 0, 0, 0, 4 / 6),
    "sla": (8, 5, 1, 0, 0, 5 / 8),
    "first_contact": (7, 4, 1, 0, 1, 4 / 7),
    "csat": (6, 4, 0, 0, 3, 4 / 6),
}


def test_every_measure_is_what_counting_on_fingers_gives(desk):
    found = {one["measure"]: one for one in report(desk)["figures"] if one["part"] == ""}
    told = {name: (*counts(one).values(), one["middle"]["value"]) for name, one in found.items()}
    assert told == {name: pytest.approx(figures) for name, figures in WHOLE.items()}


def test_volume_counts_whole_days_alone(desk):
    found = json.loads(desk("report", "--since", "2026-02-05T12:00:00", "--format", "json")[1])
    assert found["n_days"] == 5, "half of the fifth of February and of the eleventh is none"


def test_a_part_with_few_cases_has_its_count_and_no_figure(desk):
    found = report(desk, "--by", "service")["figures"]
    exchange = {one["measure"]: one for one in found if one["part"] == "exchange"}
    assert counts(exchange["resolve"])["n"] == 5
    assert exchange["resolve"]["middle"]["value"] is None
    assert "recur_incident" not in exchange, "no incident names a service"


def test_a_terminal_is_told_in_words_what_is_too_few_and_what_was_missed(desk):
    code, out, _ = desk("report", "--since", "2026-02-05")
    assert code == 0
    assert "0, 1 never" in out
    assert "too few" in out
    assert "45 min" in out
    assert "of 7 tickets the desk does not say so itself" in out
    assert "Volume is of 6 whole days, 2026-02-05 to 2026-02-10" in out


def test_a_table_and_a_page_hold_the_same_figures(desk):
    since = ("report", "--since", "2026-02-05", "--format")
    rows = list(csv.DictReader(io.StringIO(desk(*since, "csv")[1])))
    whole = {row["measure"]: row for row in rows if not row["part"]}
    assert set(whole) == set(WHOLE)
    assert float(whole["resolve"]["middle"]) == 6 * HOUR
    page = desk(*since, "html")[1]
    assert page.count("<h2>") == len(WHOLE)
    assert not re.search("src=|href=|url\\(", page), "it loads nothing"


def test_a_desk_without_tickets_is_told_what_to_do(forewarn):
    code, _, err = forewarn("report", "--desk", "hr")
    assert code == 2
    assert "desk 'hr' has no tickets and no incidents; `forewarn ingest tickets FILE`" in err


def test_a_time_span_that_ends_before_it_begins_is_refused(desk):
    code, _, err = desk("report", "--since", "2026-02-05", "--until", "2026-02-01")
    assert code == 2
    assert "--since must lie before --until" in err


def test_what_a_file_says_oddly_costs_the_value_and_not_the_ticket(forewarn, tmp_path):
    columns = ("number", "opened", "category", "made_sla", "csat", "first_response_at")
    rows = [
        ("1", "2026-02-05 09:00", "mail", "perhaps", "fine, thanks", "soon"),
        ("2", "2026-02-05 09:00", "mail", "yes", "5/5", "2026-02-05 10:00"),
    ]
    file = table(tmp_path / "odd.csv", columns, rows)
    code, out, _ = forewarn("ingest", "tickets", str(file))
    assert code == 0
    assert "2 new" in out
    assert "1 values left out, their rows kept: made_sla is neither yes nor no" in out
    store = Store(Settings(home=tmp_path / "home").database_url)
    odd, plain = store.handled("it")
    store.close()
    assert (odd.sla_met, odd.csat, odd.first_response_at) == (None, None, None)
    assert (plain.sla_met, plain.csat) == (True, "5")


def test_tickets_recur_by_what_they_say_where_a_model_reads_them(tmp_path):
    model = Triage.load(endpoint.train(tmp_path / "model"))
    texts = ["printer jam", "vpn down", "vpn down", "printer jam", "Vpn DOWN", "printer jam"]
    days = [0, 1, 40, 45, 50, 76]  # only the third vpn has one of the 30 days before
    with placed(tmp_path / "home") as place:
        place.store.put_tickets(
            [
                Ticket(DESK, "export", str(day), FEBRUARY + timedelta(days=day), title=text)
                for day, text in zip(days, texts, strict=True)
            ]
        )
        tickets = place.store.handled(DESK)
        like = recurring(place, model, tickets, 0.99)
        found = report_of(place, "category", FEBRUARY + 80 * DAY, alike=0.99, model=model)
    assert like.tolist() == [False, False, False, False, True, False]
    assert found.of("recur")[0].n == 4, "of the first 30 days nobody knows"
    assert found.of("recur")[0].n_yes == 1


def test_a_poorer_export_forgets_nothing_and_a_no_is_something(store):
    at = datetime(2026, 2, 5, tzinfo=UTC)
    first = Ticket("it", "export", "1", at, sla_met=True, n_reopened=1, csat="5")
    later = Ticket("it", "export", "1", at, sla_met=False, n_reopened=0)
    store.put_tickets([first])
    store.put_tickets([later])
    (kept,) = store.handled("it")
    assert (kept.sla_met, kept.n_reopened, kept.csat) == (False, 0, "5")


def test_a_source_that_never_tells_of_resolutions_has_no_open_tickets():
    at = datetime(2026, 2, 5, tzinfo=UTC)
    until = {"export": at + timedelta(days=9)}
    silent = Handled([Ticket("it", "export", str(n), at) for n in range(9)], until)
    assert not silent.lasting("resolved_at").known.any()


@pytest.mark.filterwarnings("ignore:The confidence interval is undefined")
@pytest.mark.parametrize("n", [12, 60, 400])
def test_the_quantiles_of_what_is_not_over_are_those_of_scipy(n):
    """Kaplan-Meier and log-log limits, which scipy has as curves and not as quantiles."""
    rng = np.random.default_rng(n)
    took, seen = np.round(rng.exponential(10, n), 1) + 0.1, rng.exponential(15, n)
    seconds, ended = np.minimum(took, seen), took <= seen
    curve = ecdf(CensoredData(uncensored=seconds[ended], right=seconds[~ended])).sf
    with np.errstate(all="ignore"):
        limits = curve.confidence_interval(method="log-log")
    for q in (0.5, 0.9):
        found = quantile(seconds, ended, q)
        theirs = [first(one, 1 - q) for one in (limits.low, limits.high)]
        assert [found.low, found.high] == pytest.approx(theirs)


def first(limit, share):
    """When a curve of scipy's first lies no higher than a share."""
    below = limit.quantiles[limit.probabilities <= share + 1e-12]
    return below[0] if len(below) else np.inf


def test_the_interval_holds_the_true_median_as_often_as_it_says():
    """1,000 desks whose true median is known, a third of whose tickets are still open."""
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(1000):
        took, seen = rng.exponential(1, 80), rng.exponential(2, 80)
        found = quantile(np.minimum(took, seen), took <= seen, 0.5)
        held += found.low <= np.log(2) <= found.high
    assert 930 <= held <= 970


@pytest.mark.skipif(not EVENTS.exists(), reason="the UCI log stands outside; set FOREWARN_DATA")
def test_the_log_of_a_real_desk_gives_what_pandas_counts(forewarn, tmp_path):
    import pandas as pd

    from benchmarks.measures import main

    file = tmp_path / "uci.csv"
    assert main([str(EVENTS), str(file)]) == 0
    assert "24,918 new" in forewarn("ingest", "tickets", str(file))[1]
    found = json.loads(forewarn("report", "--format", "json")[1])["figures"]
    told = {(one["measure"], one["part"]): one for one in found}

    events = pd.read_csv(EVENTS, dtype=str)
    last = events.groupby("number").tail(1).set_index("number")
    over = events[events["incident_state"].isin(["Resolved", "Closed"])]
    ended = over.groupby("number")["sys_updated_at"].first()  # where the log lacks resolved_at
    ended = last["resolved_at"].where(last["resolved_at"] != "?", ended)
    at, ended = (pd.to_datetime(c, format="%d/%m/%Y %H:%M") for c in (last["opened_at"], ended))
    took = (ended - at).dt.total_seconds() / HOUR
    ordered = last.assign(at=at)[last[["category", "cmdb_ci"]].ne("?").any(axis=1)].sort_values(
        "at"
    )
    gap = ordered.groupby(["category", "cmdb_ci"])["at"].diff()
    month = pd.Timedelta(days=30)
    late = ordered.assign(soon=gap <= month)[ordered["at"] >= at.min() + month]
    for part, own in (("", last), ("42", last[last["category"] == "42"])):
        met = own["made_sla"] == "true"
        assert told["sla", part]["middle"]["value"] == pytest.approx(met.mean())
        still = (own["reassignment_count"] == "0") & (own["reopen_count"] == "0")
        assert told["first_contact", part]["n_yes"] == still.sum()
        hours = took.loc[own.index]
        one = told["resolve", part]
        assert one["middle"]["value"] == pytest.approx(HOUR * hours.median())
        longest = hours.quantile([0.9, 0.9], interpolation="higher").iloc[0]
        assert one["p90"]["value"] == pytest.approx(HOUR * longest)
        again = late[late["category"] == part] if part else late
        assert told["recur", part]["n"] == len(again)
        assert told["recur", part]["n_yes"] == again["soon"].sum()
    assert ("volume", "?") not in told, "the log's sign for what nobody knows is no category"
    opened = pd.to_datetime(last["opened_at"], format="%d/%m/%Y %H:%M").dt.date.value_counts()
    days = pd.date_range("2016-03-01", "2017-02-16").date
    assert told["volume", ""]["middle"]["value"] == opened.reindex(days, fill_value=0).median()
