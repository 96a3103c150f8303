import csv
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from data.simulate import simulate, write
from data.simulation.activity import (
    BINS_PER_HOUR,
    BINS_PER_WEEK,
    activity,
    calendar,
    ticket_rates,
)
from data.simulation.desk import CATEGORIES, SERVICES, series_keys
from data.simulation.desk_tickets import Arrivals, write_tickets
from data.simulation.dice import Dice
from data.simulation.faults import SIZES, Fault, draw_faults, extra_rates, profile
from data.simulation.phrases import fill, load

END = datetime(2026, 3, 16, 12, tzinfo=UTC)
SAMPLE = Path(__file__).parents[1] / "data" / "sample"


@pytest.fixture(scope="module")
def demo():
    return simulate(1, end=END)


def small(seed, **changed):
    kept = {"end": END, "weeks": 2, "incident_weeks": 1, "tickets_a_week": 300}
    return simulate(seed, **(kept | changed))


def files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def opened(tickets):
    return np.array([t.opened_at.replace(tzinfo=None) for t in tickets], dtype="datetime64[s]")


def a_fault(**changed):
    usual = {
        "onset": 30, "size": 12, "ramp": 6.0, "plateau": 24.0, "tail": 5.0, "ticket_delay": 0.0,
        "metric_delay": 0.0, "categories": {5: 1.0}, "effects": {"vpn.latency_p95_ms": 2.0},
    }  # fmt: skip
    return Fault(**(usual | changed))


def test_same_seed_gives_the_same_bytes(tmp_path):
    write(small(3), tmp_path / "one")
    write(small(3), tmp_path / "two")
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_another_seed_gives_another_desk():
    one, two = small(3), small(4)
    assert one.tickets[:20] != two.tickets[:20]
    assert not np.array_equal(one.points.values[:200], two.points.values[:200])
    assert one.incidents != two.incidents


def test_end_is_cut_to_the_full_hour_and_nothing_comes_after_it():
    simulated = small(3, end=END + timedelta(minutes=47))
    assert simulated.points.at[-1] < np.datetime64("2026-03-16T12:00")
    assert simulated.tickets == small(3).tickets
    assert all(t.resolved_at is None or t.resolved_at < END for t in simulated.tickets)


def test_about_as_many_tickets_as_asked_for(demo):
    assert 8 * 3000 * 0.85 < len(demo.tickets) < 8 * 3000 * 1.2


def test_mondays_are_busy_and_sundays_quiet(demo):
    days = Counter(t.opened_at.strftime("%A") for t in demo.tickets)
    assert days["Monday"] > 1.15 * days["Thursday"] > 3 * days["Sunday"]


def test_the_commonest_category_has_several_times_the_rarest(demo):
    counts = Counter(t.labels["category"] for t in demo.tickets)
    assert set(counts) == {c.name for c in CATEGORIES}
    assert counts.most_common(1)[0][0] == "Account"
    assert max(counts.values()) > 4 * min(counts.values())


def test_hourly_counts_scatter_more_than_poisson(demo):
    since = (opened(demo.tickets) - (np.datetime64("2026-01-19T12:00"))).astype(int) // 3600
    account = np.array([t.labels["category"] == "Account" for t in demo.tickets])
    by_week = np.bincount(since[account], minlength=8 * 168).reshape(8, 168)[:6]
    mean = by_week.mean(axis=0)
    ratio = by_week.var(axis=0, ddof=1)[mean > 5] / mean[mean > 5]
    assert 1.3 < ratio.mean() < 4  # 1 for Poisson


def test_bank_holidays_are_quiet():
    year_end = simulate(
        5, end=datetime(2025, 12, 30, tzinfo=UTC), weeks=3, incident_weeks=0, tickets_a_week=1500
    )
    days = Counter(t.opened_at.date().isoformat() for t in year_end.tickets)
    assert days["2025-12-25"] < 0.5 * days["2025-12-18"]
    assert days["2025-12-26"] < 0.5 * days["2025-12-19"]


def test_rhythm_follows_the_local_clock_over_the_change_to_summer_time():
    when = calendar(datetime(2026, 4, 6, tzinfo=UTC), weeks=2)
    nine = when.starts[(when.hour == 9) & (when.day < 5)]
    utc_hours = {day.item().date().isoformat(): day.item().hour for day in nine}
    assert (utc_hours["2026-03-27"], utc_hours["2026-03-30"]) == (9, 8)


def test_campaigns_and_noise_leave_the_mean_rate_as_asked():
    when = calendar(datetime(2026, 3, 16, tzinfo=UTC), weeks=8)
    rates = [ticket_rates(np.random.default_rng(seed), when, 3000).sum() / 8 for seed in range(20)]
    assert np.mean(rates) == pytest.approx(3000, rel=0.06)


@pytest.mark.parametrize("seed", range(8))
def test_faults_come_in_the_last_weeks_alone_and_six_hours_apart(seed):
    busy = activity(calendar(END, 8))
    faults = draw_faults(np.random.default_rng(seed), busy, 2)
    assert len(faults) == 7
    assert faults[0].onset >= busy.size - 2 * BINS_PER_WEEK
    assert faults[-1].onset + faults[-1].duration <= busy.size + 1
    ends = [fault.onset + fault.duration for fault in faults]
    six_hours = 6 * BINS_PER_HOUR
    assert all(b.onset - e >= six_hours - 1 for e, b in zip(ends, faults[1:], strict=False))


def test_faults_strike_mostly_in_working_hours_but_also_at_other_times():
    when = calendar(END, 4)
    busy, rng = activity(when), np.random.default_rng(0)
    onsets = [fault.onset for _ in range(25) for fault in draw_faults(rng, busy, 4)]
    working = np.mean(busy[onsets] > 0.5)
    assert 0.5 < working < 0.95


def test_no_incident_weeks_means_no_incident():
    assert small(3, incident_weeks=0).incidents == []


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("delay", [0.0, 2.0], ids=["at once", "ten minutes later"])
def test_extra_tickets_in_the_first_hour_follow_the_size(size, delay):
    busy = np.ones(BINS_PER_WEEK)
    rates = extra_rates(a_fault(size=size, ticket_delay=delay), busy, 3000)
    first = 30 + int(delay)
    assert rates[:first].sum() == 0
    assert rates[first : first + BINS_PER_HOUR].sum() == pytest.approx(size, rel=0.02)


def test_a_quiet_hour_and_a_small_desk_bring_fewer_extra_tickets():
    quiet = extra_rates(a_fault(), np.full(BINS_PER_WEEK, 0.1), 300)
    assert quiet[30:42].sum() == pytest.approx(12 * 0.01**0.7, rel=0.02)


def test_a_fault_is_felt_at_its_onset_and_never_before():
    felt = profile(a_fault(), 0.0, 100)
    assert felt[:30].max() == 0
    assert felt[30] > 0
    assert felt[36:60].min() == 1
    assert 0 < felt[70] < 0.2


def test_incidents_raise_their_categories_tickets(demo):
    at, names = opened(demo.tickets), np.array([t.labels["category"] for t in demo.tickets])
    week = np.timedelta64(7, "D")

    def count(incident, weeks_before):
        start = np.datetime64(incident.onset_at.replace(tzinfo=None)) - weeks_before * week
        inside = (at >= start) & (at < start + np.timedelta64(3, "h"))
        return np.sum(inside & np.isin(names, incident.categories))

    during = sum(count(incident, 0) for incident in demo.incidents)
    usual = sum(count(i, weeks) for i in demo.incidents for weeks in (3, 4, 5)) / 3
    assert during > 1.5 * usual


def test_incidents_move_their_series_the_way_faults_do(demo):
    def factor(incident, key):
        mine = demo.points.series == key
        at, values = demo.points.at[mine], demo.points.values[mine]
        start = np.datetime64(incident.onset_at.replace(tzinfo=None), "ms")
        spans = [start - np.timedelta64(7 * weeks, "D") for weeks in (0, 3, 4, 5)]
        hour, later = np.timedelta64(1, "h"), np.timedelta64(2, "h")
        means = [np.median(values[(at >= s + hour) & (at < s + later)]) for s in spans]
        return means[0] / np.mean(means[1:])

    moved = [(key, factor(i, key)) for i in demo.incidents for key in i.series]
    kinds = {"latency": "up", "errors": "up", "requests": "down"}
    up = [f for key, f in moved if kinds[key.split(".")[1].split("_")[0]] == "up"]
    down = [f for key, f in moved if kinds[key.split(".")[1].split("_")[0]] == "down"]
    assert np.median(up) > 1.3
    assert np.median(down) < 0.9


def test_metrics_look_like_a_scrape(demo):
    keys, at, values = demo.points.series, demo.points.at, demo.points.values
    assert set(keys) == set(series_keys())
    assert len(series_keys()) == 3 * len(SERVICES) + 1
    assert np.isfinite(values).all()
    assert values.min() >= 0
    assert (np.diff(at) >= np.timedelta64(0)).all()
    share = len(values) / (len(series_keys()) * 8 * BINS_PER_WEEK)
    assert 0.98 < share < 0.997  # some points never came
    assert len(set(zip(keys.tolist(), at.tolist(), strict=True))) == len(values)


def test_every_text_can_be_filled_and_there_are_several_hundred():
    texts, dice = load(), Dice(np.random.default_rng(0))
    sections = [*texts.ordinary.values(), *texts.incident.values(), *texts.shared.values()]
    patterns = [pattern for section in sections for pattern in section]
    assert all(p.title and p.body for p in patterns)
    assert len({(p.title, p.body) for p in patterns}) == len(patterns) > 400
    assert min(len(section) for section in texts.ordinary.values()) >= 25
    given = dict.fromkeys(["me", "email", "user", "phone", "department"], "x")
    lines = [line for p in patterns for line in (p.title, p.body)]
    lines += [line for section in texts.common.values() for line in section]
    filled = [fill(line, texts.common, given, dice) for line in lines]
    assert not any(re.search(r"[{}#]", text) for text in filled)
    choices = [choice for line in lines for alt in re.findall(r"{([^{}]*\|[^{}]*)}", line)
               for choice in alt.split("|")]  # fmt: skip
    assert not set(choices) & set(texts.common)  # {since|now} would print the slot's name


def test_texts_differ_from_ticket_to_ticket(demo):
    assert len({t.body for t in demo.tickets}) > 0.85 * len(demo.tickets)
    assert any("-----Original Message-----" in t.body for t in demo.tickets)
    assert any(t.body == "" for t in demo.tickets)


def test_one_ticket_in_twenty_is_filed_under_a_neighbouring_category():
    n = 4000
    at = np.datetime64("2026-03-01T00:00:00") + np.arange(n) * np.timedelta64(60, "s")
    arrivals = Arrivals(at, np.full(n, 6), np.full(n, -1))
    tickets = write_tickets(np.random.default_rng(0), arrivals, "demo", END)
    names = Counter(t.labels["category"] for t in tickets)
    assert set(names) == {"ERP", *CATEGORIES[6].neighbours}
    assert 0.03 < 1 - names["ERP"] / n < 0.06


def test_priority_follows_from_impact_and_urgency(demo):
    for ticket in demo.tickets[:500]:
        level = int(ticket.labels["impact"]) + int(ticket.labels["urgency"]) - 1
        assert ticket.labels["priority"] == f"P{min(level, 4)}"


def test_urgent_words_go_with_urgent_labels(demo):
    urgent = [t for t in demo.tickets if "I cannot work at all!" in t.body]
    calm = [t for t in demo.tickets if "No hurry." in t.body]
    assert np.mean([t.labels["urgency"] == "1" for t in urgent]) > 0.8
    assert np.mean([t.labels["urgency"] == "3" for t in calm]) > 0.8


def test_nobody_in_it_is_real(demo):
    words = " ".join(f"{t.title} {t.body} {t.requester}" for t in demo.tickets[:3000])
    assert set(re.findall(r"@([a-z]+\.com)", words)) <= {"example.com"}


def test_everything_says_that_it_is_simulated(demo):
    assert {t.source for t in demo.tickets} == {"simulated"}
    assert all(t.external_id.startswith("SIM") for t in demo.tickets)
    assert {i.origin for i in demo.incidents} == {"simulated"}
    assert all(i.title.startswith("Simulated") for i in demo.incidents)
    assert "invented" in (SAMPLE / "README.md").read_text(encoding="utf-8")


def test_written_files_hold_what_was_simulated(tmp_path):
    simulated = small(3)
    write(simulated, tmp_path / "new" / "folder")
    rows = {}
    for name in ("tickets", "metrics", "incidents"):
        with (tmp_path / "new" / "folder" / f"{name}.csv").open(encoding="utf-8", newline="") as f:
            rows[name] = list(csv.DictReader(f))
    assert [r["Description"] for r in rows["tickets"]] == [t.body for t in simulated.tickets]
    assert [float(r["value"]) for r in rows["metrics"]] == simulated.points.values.tolist()
    assert rows["metrics"][0]["timestamp"] == "2026-03-02T12:00:00Z"
    assert rows["incidents"][0]["series"].split(";") == list(simulated.incidents[0].series)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"end": datetime(2026, 3, 16)}, "aware"),
        ({"weeks": 0, "incident_weeks": 0}, "at least 1"),
        ({"incident_weeks": 3}, "incident_weeks"),
        ({"tickets_a_week": 0}, "above 0"),
    ],
    ids=["naive end", "no weeks", "more incident weeks than weeks", "no tickets"],
)
def test_a_senseless_wish_is_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        small(1, **changed)


def test_the_sample_is_a_labelled_desk_with_one_fault():
    with (SAMPLE / "tickets.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) >= 300
    assert len({(r["title"], r["body"]) for r in rows}) == len(rows)
    assert min(Counter(r["category"] for r in rows).values()) >= 25
    assert {r["category"] for r in rows} == {c.name for c in CATEGORIES}
    vpn = Counter(r["opened_at"][:10] for r in rows if r["category"] == "VPN")
    assert vpn.most_common(1)[0][0] == "2026-03-12"
    assert (SAMPLE / "metrics.csv").stat().st_size < 300_000
