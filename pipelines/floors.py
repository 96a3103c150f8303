"""The floors that a person set: a JSON file of series patterns, directions and distances."""

from pathlib import Path

from models.floors import Floor
from pipelines.written import json_in

VARIABLE = "FOREWARN_METRIC_FLOORS"
WANTED = 'wanted a list such as [{"series": "disk*", "direction": "above", "at_least": 5}]'


def read_floors(file: str) -> tuple[Floor, ...]:
    """The floors in a JSON file, none without one; ValueError says where in it what is wrong."""
    if not file:
        return ()
    try:
        given = json_in(Path(file))
        if not isinstance(given, list):
            raise ValueError(f"{file}: {WANTED}, got {type(given).__name__}")
        return tuple(_floor(file, number, one) for number, one in enumerate(given, start=1))
    except ValueError as error:
        raise ValueError(f"{VARIABLE}: {error}") from error


def _floor(file: str, number: int, given: object) -> Floor:
    where = f"{file}, entry {number}"
    if not isinstance(given, dict) or not isinstance(given.get("series"), str):
        raise ValueError(f'{where}: {WANTED}, "series" is missing or no text')
    unknown = sorted(set(given) - {"series", "direction", "at_least"})
    if unknown:
        raise ValueError(f"{where}: {WANTED}, got {unknown[0]!r} beside")
    at_least = given.get("at_least", 0)
    if isinstance(at_least, bool) or not isinstance(at_least, int | float):
        raise ValueError(f"{where}: at_least must be a number, got {at_least!r}")
    try:
        return Floor(given["series"], given.get("direction", "both"), float(at_least))
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
