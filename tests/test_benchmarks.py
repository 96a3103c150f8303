"""The page of figures, and the baselines that stand on it."""

import csv

import numpy as np
import pytest

from benchmarks import __main__ as bench
from benchmarks import baselines, ingest, page
from benchmarks.sections import SECTIONS, Section

ORDER = ["one", "two"]


def test_a_section_replaces_itself_and_nothing_else(tmp_path):
    path = tmp_path / "benchmarks.md"
    for name, text in (("two", "Two.\n"), ("one", "One.\n"), ("two", "Two anew.\n")):
        page.put(path, name, text, ORDER)
    assert page.sections_of(path.read_text()) == {"one": "One.\n", "two": "Two anew.\n"}
    assert path.read_text().startswith("# Benchmarks")


def test_missing_data_is_named_and_the_old_text_stays(tmp_path, capsys):
    path = tmp_path / "benchmarks.md"
    page.put(path, "triage", "As it was.\n", list(SECTIONS))
    given = {"FOREWARN_DATA": str(tmp_path / "nowhere")}
    assert bench.main(["triage", "--page", str(path)], given) == 1
    told = capsys.readouterr().err
    assert "tickets/banking77_test.csv.gz" in told
    assert str(tmp_path / "nowhere") in told
    assert page.sections_of(path.read_text()) == {"triage": "As it was.\n"}


def test_what_was_measured_stands_under_its_title(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(SECTIONS, "kills", Section("A title", (), lambda data: "Figures.\n"))
    assert bench.main(["kills", "--page", str(tmp_path / "b.md")], {}) == 0
    text = page.sections_of((tmp_path / "b.md").read_text())["kills"]
    assert text.startswith("## A title\n\nFigures.\n")
    assert "GB, Python 3" in text


def test_an_unknown_section_is_refused_with_those_there_are(capsys):
    with pytest.raises(SystemExit):
        bench.main(["nonsense"], {})
    assert (
        "incidents, triage, promises, unknown, small, metrics, ingest, kills"
        in capsys.readouterr().err
    )


def test_fixed_limits_alert_once_an_episode_and_again_after_two_hours():
    times = np.datetime64("2026-01-05", "s") + np.arange(60) * np.timedelta64(300, "s")
    over = np.zeros((60, 1), bool)
    over[[3, 4, 20, 50]] = True  # 20 follows within two hours of 4, 50 does not
    found = list(baselines.episodes("metric", ["cpu"], times, over))
    assert [f"{alert.opened_at:%H:%M}" for alert in found] == ["00:15", "04:10"]


def test_a_blind_clock_alerts_as_often_as_told_on_things_that_are_there():
    times = np.datetime64("2026-01-05", "s") + np.arange(60) * np.timedelta64(300, "s")
    things = [("metric", "cpu"), ("surge", "vpn")]
    found = baselines.blind(np.random.default_rng(0), 50, things, times)
    assert len(found) == 50
    assert {(alert.kind, alert.key) for alert in found} == set(things)
    assert all(times[0].item() <= alert.opened_at.replace(tzinfo=None) for alert in found)


def test_the_files_to_ingest_have_as_many_rows_as_told(tmp_path):
    ingest.files(tmp_path, n_points=1200, n_tickets=300)
    for name, n in (("metrics", 1200), ("tickets", 300)):
        with (tmp_path / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            assert sum(1 for _ in csv.DictReader(file)) == n
