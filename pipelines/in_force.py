"""The settings of the metric detector that were promoted, which go before the environment."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from data.published import open_published, pointer
from data.settings import Settings, variable_of
from pipelines.written import json_in

SETS = ("metric_budget", "group_by")  # what a version holds
FILE = "detector.json"


def detector_name(desk: str) -> str:
    """The registered detector of a desk.

    >>> detector_name("it")
    'detector-it'
    """
    return f"detector-{desk}"


def in_force(settings: Settings) -> Settings:
    """The settings with what was promoted; ValueError where its files are not as promoted."""
    name = detector_name(settings.desk)
    if pointer(settings.home, name) is None:
        return settings
    return replace(settings, **read_set(open_published(settings.home, name).folder / FILE))


def changed(settings: Settings, budget: float | None, group_by: str | None) -> Settings:
    """The settings with what was given, checked as the environment is."""
    given = {
        variable_of("metric_budget"): None if budget is None else str(budget),
        variable_of("group_by"): group_by,
    }
    asked = Settings.from_env({name: text for name, text in given.items() if text is not None})
    names = [name for name in SETS if given[variable_of(name)] is not None]
    return replace(settings, **{name: getattr(asked, name) for name in names})


def read_set(file: Path) -> dict[str, Any]:
    """The settings that a version holds; ValueError where the file holds anything else."""
    given = json_in(file)
    if not isinstance(given, dict) or set(given) != set(SETS):
        raise ValueError(f"{file}: wanted {', '.join(SETS)}, got something else")
    if not float(given["metric_budget"]) > 0:
        raise ValueError(f"{file}: wanted a metric_budget above 0, got {given['metric_budget']}")
    return given | {"group_by": tuple(given["group_by"])}
