"""Maintenance and declared incidents: nobody is woken, and what is normal stays what it was."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from data.maintenance import exactly, new_maintenance, spans
from data.records import Incident, Ticket
from models.evidence import again, unpacked
from models.rare import Rare
from models.replay import replay
from models.watch import Watch
from pipelines.detect import advance, begin, resume, save
from pipelines.feeds import METRICS, SILENCE, TICKETS, TOTAL
from pipelines.live import Outdated
from pipelines.replay import replay_metrics
from pipelines.windows import NOTHING, left_alone, windows_of
from tests.desk import DESK, STEP, between, placed, rows_of, table, wave, with_fault

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
START = datetime(2026, 1, 5, tzinfo=UTC)
LIVE = START + 14 * DAY
END = LIVE + 2 * DAY
NIGHT = LIVE + 22 * HOUR  # when the work is done


def planned(start=NIGHT, until=NIGHT + 2 * HOUR, **told):
    return new_maintenance(DESK, start, until, by="ada", now=LIVE, **told)


def metrics(place, *series, until=END):
    for points in series:
        place.history.append(DESK, between(points, START, until))


def raised(place, kind="metric"):
    return place.store.alerts(desks=[DESK], kind=kind, limit=1000)


def watched(place, until=END, kind=METRICS):
    """Learn until LIVE, look until `until`; what is known then, as stored."""
    live = begin(place, kind, LIVE)
    save(place, live, [])
    advance(place, live, until)
    return live


CALM = wave(START, 17)
SPIKE = with_fault(CALM, NIGHT + STEP, 1)


def test_a_spike_in_a_maintenance_wakes_nobody_and_teaches_nothing(tmp_path):
    known = {}
    for name, points, rests in (
        ("calm", CALM, True),
        ("spike", SPIKE, True),
        ("loud", SPIKE, False),
    ):
        with placed(tmp_path / name) as place:
            metrics(place, points)
            if rests:
                place.store.put_maintenance(planned(series=["c?u"], note="upgrade"))
            known[name] = watched(place)
            assert len(raised(place)) == (0 if rests else 1)
    ahead = np.datetime64("2026-01-21T00:00")
    for calm, spiked, loud in zip(
        *(known[name].watch.detector.expect(ahead) for name in ("calm", "spike", "loud")),
        strict=True,
    ):
        np.testing.assert_array_equal(calm, spiked)
        assert calm != loud


def test_what_goes_on_after_the_maintenance_is_told(tmp_path):
    with placed(tmp_path) as place:
        metrics(place, with_fault(CALM, NIGHT + STEP, 6))
        place.store.put_maintenance(planned())
        watched(place)
        (alert,) = raised(place)
    assert NIGHT + 2 * HOUR <= alert.opened_at < NIGHT + 3 * HOUR


def test_an_alert_that_was_open_before_closes_after_the_usual_quiet_time(tmp_path):
    with placed(tmp_path) as place:
        metrics(place, with_fault(CALM, NIGHT - HOUR, 4))
        place.store.put_maintenance(planned(until=NIGHT + 8 * HOUR))
        watched(place, NIGHT + 2 * HOUR)
        (alert,) = raised(place)
    assert alert.opened_at < NIGHT
    assert alert.closed_at < NIGHT


def test_only_what_is_named_rests(tmp_path):
    disk = replace(SPIKE, series=np.full(len(SPIKE), "disk[0]", object))
    with placed(tmp_path) as place:
        metrics(place, SPIKE, disk)
        place.store.put_maintenance(planned(series=[exactly("disk[0]")]))
        live = watched(place, NIGHT + 1 * HOUR)
        assert [alert.members for alert in raised(place)] == [("cpu",)]
        told = {one.key: one for one in place.store.series_states(DESK)}
    assert {key: one.state for key, one in told.items()} == {"cpu": "alerting", "disk[0]": "muted"}
    assert told["disk[0]"].until == planned().ends_at
    assert live.muted.tolist() == [False, True]


def test_a_window_that_was_removed_or_is_over_mutes_nothing(tmp_path):
    with placed(tmp_path) as place:
        metrics(place, SPIKE)
        over, removed = planned(LIVE, LIVE + HOUR), planned()
        for one in (over, removed):
            place.store.put_maintenance(one)
        assert place.store.remove_maintenance(removed.id, LIVE + HOUR)
        assert not place.store.remove_maintenance(removed.id, LIVE + 2 * HOUR)
        assert not place.store.remove_maintenance("none", LIVE)
        assert place.store.maintenances([DESK], since=LIVE + 2 * HOUR) == []
        watched(place)
        assert len(raised(place)) == 1


def test_a_killed_look_sees_the_same_windows_when_it_goes_on(tmp_path):
    found = {}
    for name in ("at once", "killed"):
        with placed(tmp_path / name) as place:
            metrics(place, with_fault(CALM, NIGHT + STEP, 6))
            place.store.put_maintenance(planned())
            if name == "at once":
                watched(place)
            else:
                live = begin(place, METRICS, LIVE)
                save(place, live, [])
                advance(place, live, NIGHT + 3 * STEP)
                for until in (NIGHT + 5 * STEP, END):  # another process takes up what is saved
                    advance(place, resume(place, METRICS), until)
            found[name] = raised(place), resume(place, METRICS).watch.state()
    assert found["at once"][0] == found["killed"][0]
    for array, same in zip(found["at once"][1].values(), found["killed"][1].values(), strict=True):
        np.testing.assert_array_equal(array, same)


@pytest.mark.parametrize("stops", [NIGHT - 3 * STEP, NIGHT + STEP], ids=["just before", "in it"])
def test_a_silence_in_a_maintenance_is_none_and_one_after_it_is_told(tmp_path, stops):
    quiet = between(CALM, START, stops)
    with placed(tmp_path) as place:
        metrics(place, quiet)
        place.store.put_maintenance(planned())
        watched(place, NIGHT + 2 * HOUR, SILENCE)
        assert raised(place, "silent") == []
        advance(place, resume(place, SILENCE), END)
        (alert,) = raised(place, "silent")
    assert NIGHT + 2 * HOUR < alert.opened_at < NIGHT + 4 * HOUR


# Each week


def test_a_weekly_maintenance_comes_again_by_the_clock_on_the_wall():
    berlin = ZoneInfo("Europe/Berlin")
    sunday = datetime(2026, 3, 15, 4, tzinfo=berlin)
    weekly = new_maintenance(
        "it", sunday, sunday + 2 * HOUR, weekly=True, by="ada", now=sunday - DAY
    )
    april = datetime(2026, 4, 1, tzinfo=UTC)
    found = spans(weekly, april - 20 * DAY, april, berlin)
    assert [f"{begin.astimezone(berlin):%m-%d %H:%M}" for begin, _ in found] == [
        "03-15 04:00", "03-22 04:00", "03-29 04:00",
    ]  # fmt: skip
    assert [f"{begin:%H:%M}" for begin, _ in found] == ["03:00", "03:00", "02:00"]  # in UTC
    removed = replace(weekly, removed_at=sunday + 8 * DAY)
    assert len(spans(removed, sunday - DAY, april, berlin)) == 2


def test_the_second_week_of_a_weekly_maintenance_mutes_too(tmp_path):
    with placed(tmp_path) as place:
        metrics(place, SPIKE)
        week_before = planned(NIGHT - 7 * DAY, NIGHT - 7 * DAY + 2 * HOUR, weekly=True)
        place.store.put_maintenance(week_before)
        watched(place)
        assert raised(place) == []


# Days off


def test_an_alert_near_a_holiday_is_worked_out_again_from_what_was_kept(tmp_path):
    own = tmp_path / "off.csv"
    own.write_text(f"date\n{NIGHT:%Y-%m-%d}\n")
    settings = {"holidays": ("DE-BY",), "days_off": str(own), "timezone": "Europe/Berlin"}
    with placed(tmp_path, **settings) as place:
        metrics(place, SPIKE)
        watched(place)
        (alert,) = raised(place)
        evidence = unpacked(place.store.evidence(alert.id))
    assert evidence.made_with["days_off"] == f"{NIGHT:%Y-%m-%d}"  # and not those of sixty years
    assert again(evidence).same


def test_with_other_holidays_all_is_learnt_anew_and_a_day_of_ones_own_waits(tmp_path):
    own = tmp_path / "off.csv"
    own.write_text("date\n2026-08-14\n")
    with placed(tmp_path, holidays=("DE-BY",), days_off=str(own)) as place:
        metrics(place, CALM)
        save(place, begin(place, METRICS, LIVE), [])
        own.write_text("date\n2026-08-14\n2026-08-15\n")
        assert resume(place, METRICS).made_with["days_off"].count("2026-08-1") == 2
    with (
        placed(tmp_path, holidays=("US",), days_off=str(own)) as place,
        pytest.raises(Outdated, match="holidays of DE-BY"),
    ):
        resume(place, METRICS)


# Incidents that are declared


def incident(onset, end=None, **touched):
    return Incident("i1", DESK, "Database down", onset, end, **touched)


def test_a_past_incident_is_not_learnt_and_sets_no_threshold(tmp_path):
    past, live = LIVE - 3 * DAY, {}
    faulty = with_fault(CALM, past, 5)
    for name, points in (("calm", CALM), ("faulty", faulty), ("unknown", faulty)):
        with placed(tmp_path / name) as place:
            metrics(place, points)
            if name != "unknown":
                place.store.put_incidents([incident(past, past + 5 * HOUR, series=("cpu",))])
            live[name] = begin(place, METRICS, LIVE)
    ahead = np.datetime64("2026-01-19T03:00")
    expected = {name: float(one.watch.detector.expect(ahead)[0][0]) for name, one in live.items()}
    assert expected["calm"] == expected["faulty"] != expected["unknown"]
    assert live["calm"].threshold == live["faulty"].threshold
    assert live["unknown"].threshold != live["calm"].threshold


def test_an_open_incident_is_not_told_again_but_another_series_is(tmp_path):
    vpn = replace(SPIKE, series=np.full(len(SPIKE), "vpn", object))
    with placed(tmp_path) as place:
        metrics(place, SPIKE, vpn)
        place.store.put_incidents([incident(NIGHT, series=("cpu",))])
        watched(place, NIGHT + 2 * HOUR)
        assert [alert.members for alert in raised(place)] == [("vpn",)]


def test_an_incident_that_nobody_ended_is_forgotten_after_half_a_day(tmp_path):
    with placed(tmp_path) as place:
        metrics(place, with_fault(CALM, NIGHT, 24))
        place.store.put_incidents([incident(NIGHT, series=("cpu",))])
        watched(place, NIGHT + DAY)
        (alert,) = raised(place)
    assert NIGHT + 12 * HOUR <= alert.opened_at < NIGHT + 13 * HOUR


def test_a_planted_incident_mutes_nothing(tmp_path):
    with placed(tmp_path) as place:
        place.store.put_incidents([replace(incident(NIGHT), origin="simulated")])
        assert windows_of(place, METRICS, LIVE, END) == []


def test_in_a_replay_an_incident_may_alert_and_a_maintenance_may_not(tmp_path):
    points = with_fault(with_fault(CALM, LIVE - DAY, 2), NIGHT, 2)
    file = table(
        tmp_path / "cpu.csv",
        ("timestamp", "value"),
        zip(points.at.astype(str), points.values, strict=True),
    )
    with placed(tmp_path / "home") as place:
        place.store.put_incidents([incident(LIVE - DAY, LIVE - DAY + 2 * HOUR)])
        place.store.put_maintenance(planned())
        told = replay_metrics(file, tmp_path / "out", place.settings, left_alone=left_alone(place))
    rows = {row["timestamp"]: row for row in rows_of(tmp_path / "out" / "cpu.csv")}
    assert rows[f"{LIVE - DAY + HOUR:%Y-%m-%d %H:%M:%S}"]["alert"] == "1"
    assert rows[f"{NIGHT + HOUR:%Y-%m-%d %H:%M:%S}"]["alert"] == "0"
    assert rows[f"{NIGHT + HOUR:%Y-%m-%d %H:%M:%S}"]["score"] == ""
    assert told.n_alerts >= 1


def test_in_a_replay_what_was_an_incident_raises_no_threshold():
    points = wave(START, 12)
    for day in range(3, 11):  # each morning, and no more than chance may do
        points = with_fault(points, START + day * DAY, 2, 9.0)
    values, at = points.values[:, None], points.at.astype("datetime64[s]")
    fault = ((at >= np.datetime64("2026-01-08")) & (at.astype(int) % 86_400 < 3 * 3600))[:, None]
    last = {}
    for name, left_out in (("declared", fault), ("unknown", None)):
        watch = Watch(Rare(1, 900), np.nan, n_series=1, step_seconds=900)
        seen = replay(watch, at, values, budget_per_week=1, left_out=left_out)
        last[name] = seen.thresholds[-1]
        assert seen.alerting[fault].any()
    assert last["declared"] < last["unknown"]


# Tickets


def test_tickets_on_what_rests_wake_nobody_and_the_rhythm_stays(tmp_path):
    rng = np.random.default_rng(2)
    hours = range(int((END - START) / HOUR))
    usual = [
        Ticket(DESK, "t", f"{hour}-{n}", START + hour * HOUR + n * timedelta(minutes=4),
               labels={"category": "vpn" if n % 2 else "mail"})
        for hour in hours for n in range(rng.poisson(4))
    ]  # fmt: skip
    storm = [
        Ticket(
            DESK, "t", f"storm-{n}", NIGHT + n * timedelta(minutes=1), labels={"category": "vpn"}
        )
        for n in range(60)
    ]
    known, keys, told = {}, {}, {}
    for name, tickets in (("usual", usual), ("storm", usual + storm)):
        with placed(tmp_path / name) as place:
            place.store.put_tickets(tickets)
            place.store.put_maintenance(planned(categories=["vpn"]))
            live = watched(place, kind=TICKETS)
            told[name] = [alert.id for alert in raised(place, "surge")]
            keys[name], known[name] = live.keys, live.watch.detector.state()
    assert told["usual"] == told["storm"]
    of = [keys["usual"].index(key) for key in ("vpn", TOTAL)]
    assert keys["usual"] == keys["storm"]
    for array, same in zip(known["usual"].values(), known["storm"].values(), strict=True):
        np.testing.assert_array_equal(array[..., of], same[..., of])


def test_incidents_of_a_file_set_no_threshold_either():
    begins = datetime(2026, 1, 19, 9, tzinfo=UTC)
    known = [incident(begins, begins + HOUR, series=("cpu",), categories=("VPN",))]
    alone = NOTHING.beside(known, 900)
    times = np.datetime64("2026-01-19T08:30") + np.arange(9) * np.timedelta64(15, "m")
    masks = alone.masks(METRICS, ["cpu", "disk"], times)
    assert masks["muted"] is None
    assert masks["left_out"][:, 0].tolist() == [False] * 2 + [True] * 6 + [False]
    assert not masks["left_out"][:, 1].any()
    assert alone.masks(TICKETS, ["VPN"], times)["left_out"].any()
