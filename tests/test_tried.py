"""Settings of the metric detector: tried on the past, let through or not, and in force."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from data.records import Incident
from pipelines import console, detectors
from pipelines.gate import Refused
from pipelines.in_force import changed, in_force
from pipelines.live import resume, terms
from pipelines.watching import look
from tests.desk import DESK, placed, wave, with_fault

START = datetime(2026, 1, 5, tzinfo=UTC)
DAY = timedelta(days=1)
END = START + 42 * DAY


@pytest.fixture(scope="module")
def tried(tmp_path_factory):
    """A desk with six weeks of points and five known faults; budgets of 4 and 1e-6 were tried."""
    home, points = tmp_path_factory.mktemp("tried"), wave(START, 42)
    onsets = [START + day * DAY + timedelta(hours=9) for day in (18, 22, 27, 32, 37)]
    for onset in onsets:
        points = with_fault(points, onset, 2, 12.0)
    with placed(home) as place:
        place.history.append(DESK, points)
        place.store.put_incidents(
            [
                Incident(f"i{n}", DESK, "a fault", onset, onset + timedelta(hours=2), (), ("cpu",))
                for n, onset in enumerate(onsets)
            ]
        )
        many = try_with(place, 4.0)
        detectors.promote(place, place.registry(), None)
        few = try_with(place, 1e-6)
    return home, many, few


def try_with(place, budget):
    asked = changed(in_force(place.settings), budget, None)
    return detectors.try_out(replace(place, settings=asked), None, console.quiet)


def test_what_was_tried_stands_in_the_registry_with_its_figures_and_picture(tried):
    home, many, few = tried
    with placed(home) as place:
        registry = place.registry()
        rows = detectors.rows(registry, home, DESK)
    assert [row[0] for row in rows] == [few.number, many.number]
    assert [row[3] for row in rows] == ["", "yes"]
    assert many.metrics["budget"] == 4.0
    assert many.metrics["incidents"] == 5
    assert many.metrics["found"] > few.metrics["found"]
    pictures = list(home.glob("mlflow-artifacts/**/figures/replay.png"))
    assert len(pictures) == 2
    assert all(picture.stat().st_size > 10_000 for picture in pictures)


def test_settings_that_miss_known_incidents_are_refused_and_may_be_forced(tried):
    home, _, few = tried
    with placed(home) as place:
        registry = place.registry()
        with pytest.raises(Refused, match=r"finds 0 of 5 known incidents, version 1 finds 5"):
            detectors.promote(place, registry, few.number)
        assert in_force(place.settings).metric_budget == 4.0
        detectors.promote(place, registry, few.number, force="a quiet week")
        assert in_force(place.settings).metric_budget == 1e-6
        assert "refused" in registry.version(few.name, few.number).notes["forewarn.gate"]
        detectors.rollback(registry, home, DESK)
        assert in_force(place.settings).metric_budget == 4.0


def test_detection_goes_by_what_was_promoted(tried):
    home, _, _ = tried
    with placed(home) as place:
        known = look(place, END, quiet=True)
        assert known.live["metrics"].budget.per_week == 4.0
        promoted = in_force(place.settings)
        assert resume(replace(place, settings=promoted), "metrics") is not None
        assert "4 false alerts a week" in terms("metrics", promoted)
        registry = place.registry()
        detectors.promote(place, registry, "2", force="to see")
        known = look(place, END, known, quiet=True)
        assert known.live["metrics"].budget.per_week == 1e-6
        detectors.rollback(registry, home, DESK)


def test_who_put_settings_in_force_is_written_down(tried, forewarn):
    home, many, _ = tried
    here = ("--home", str(home), "--desk", DESK, "detectors")
    with placed(home) as place:
        before = len(place.store.logged())
    assert forewarn(*here, "promote", "2", "--force", "to see")[0] == 0
    assert forewarn(*here, "rollback")[0] == 0
    with placed(home) as place:
        done = place.store.logged()[: -before or None]
    assert [(one.what, one.desk, one.subject) for one in done[::-1]] == [
        ("model promoted by force", DESK, f"{many.name} version 2"),
        ("model rolled back", DESK, f"{many.name} version 1"),
    ]


def test_a_damaged_file_of_what_is_in_force_is_named(tried):
    home, _, _ = tried
    with placed(home) as place:
        (file,) = home.glob(f"models/detector-{DESK}/1/detector.json")
        kept = file.read_text()
        file.write_text(kept.replace("4.0", "400.0"))
        with pytest.raises(ValueError, match=r"detector\.json"):
            in_force(place.settings)
        file.write_text(kept)


def test_a_budget_that_cannot_be_is_refused_in_one_line(forewarn):
    code, _, said = forewarn("detectors", "try", "--budget", "0")
    assert (code, "above 0" in " ".join(said.split())) == (2, True)
