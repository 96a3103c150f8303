"""What a series must do at least before it may alert."""

import json

import numpy as np
import pytest

from models.floors import Floor, floors_of
from models.rare import Rare
from models.watch import Watch
from pipelines.floors import read_floors


def opened(values, floors):
    """Whether a watch with these floors opens anything on one series of `values`."""
    watch = Watch(Rare(1), 3.0, 1, 300)
    watch.floors = floors_of(floors, ["disk/used"])
    start = np.datetime64("2026-01-05T09:00", "s")
    changes = [
        change
        for step, value in enumerate(values)
        for change in watch.step(start + step * np.timedelta64(300, "s"), np.array([value]))
    ]
    return [change.what for change in changes if change.what == "opened"] == ["opened"]


JUMP, FALL = [10.0, 11.0] * 20 + [30.0], [10.0, 11.0] * 20 + [-20.0]


@pytest.mark.parametrize(
    ("floor", "jump", "fall"),
    [
        (Floor("*"), True, True),
        (Floor("disk*", "above"), True, False),
        (Floor("disk*", "below"), False, True),
        (Floor("disk*", at_least=25), False, True),
        (Floor("cpu*", "below", 1e9), True, True),
    ],
    ids=["none", "above", "below", "distance", "another series"],
)
def test_only_what_passes_the_floor_alerts(floor, jump, fall):
    assert (opened(JUMP, [floor]), opened(FALL, [floor])) == (jump, fall)


def test_floors_come_from_a_file(tmp_path):
    file = tmp_path / "floors.json"
    file.write_text(json.dumps([{"series": "disk*", "direction": "above", "at_least": 5}]))
    assert read_floors(str(file)) == (Floor("disk*", "above", 5.0),)
    assert read_floors("") == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "wanted a list such as .* got dict"),
        ('[{"direction": "above"}]', 'entry 1: .*"series" is missing'),
        ('[{"series": "a"}, {"series": "b", "direction": "up"}]', "entry 2: direction must be one"),
        ('[{"series": "a", "at_least": "5"}]', "entry 1: at_least must be a number, got '5'"),
        ('[{"series": "a", "at_least": -1}]', "entry 1: at_least must be 0 or more, got -1"),
        ('[{"series": "a", "floor": 1}]', "entry 1: .*got 'floor' beside"),
        ("[", "is not JSON"),
    ],
    ids=["no list", "no series", "direction", "text", "negative", "unknown", "no JSON"],
)
def test_a_wrong_file_is_refused_and_the_place_named(tmp_path, text, said):
    file = tmp_path / "floors.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=rf"FOREWARN_METRIC_FLOORS: .*floors\.json.*{said}"):
        read_floors(str(file))
