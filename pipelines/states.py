"""How each series stands: learning, watching, alerting, flapping, silent or ended."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast

import numpy as np

from data.records import SeriesState, SeriesStateName
from features.windows import matching
from models.silence import Silence
from pipelines.feeds import SILENCE, TICKETS

if TYPE_CHECKING:
    from pipelines.live import Live

NAMES: tuple[SeriesStateName, ...] = (
    "learning",
    "watching",
    "alerting",
    "flapping",
    "muted",
    "reporting",
    "silent",
    "ended",
)
CODES = {name: code for code, name in enumerate(NAMES)}


def codes_of(live: "Live") -> np.ndarray:
    """How each series stands, as places in NAMES, shape (n_series,)."""
    watch, now = live.watch, np.datetime64(int(live.watermark.timestamp()), "s")
    if live.kind == SILENCE:
        silent = np.where(watch.alerting, CODES["silent"], CODES["reporting"])
        return np.where(cast(Silence, watch.detector).ended(now), CODES["ended"], silent)
    learning = (seconds_learning(live) > 0) | (not live.watching)
    ordinary = np.where(learning, CODES["learning"], CODES["watching"])
    alerting = np.where(watch.flapping(now), CODES["flapping"], CODES["alerting"])
    states = np.where(watch.alerting, alerting, ordinary)
    states[: len(live.muted)][live.muted] = CODES["muted"]
    return states


def changed_states(live: "Live", desk: str) -> list[SeriesState]:
    """The series that stand otherwise than they were told at the last save; now they are told."""
    if live.kind == TICKETS:
        return []  # kinds of tickets are no series of their own
    codes = codes_of(live)
    told = np.concatenate([live.told, np.full(len(codes) - len(live.told), -1)])
    live.told = codes
    return [state_of(live, desk, i, NAMES[codes[i]]) for i in np.flatnonzero(codes != told)]


def state_of(live: "Live", desk: str, series: int, name: SeriesStateName) -> SeriesState:
    until = None
    if name == "learning" and live.watching:
        until = live.watermark + timedelta(seconds=float(seconds_learning(live)[series]))
    if name == "muted":
        until = muted_until(live, live.keys[series])
    return SeriesState(desk, live.keys[series], name, live.watermark, until)


def muted_until(live: "Live", key: str) -> datetime | None:
    """When the last of the windows that a series is in now ends; None where none is known."""
    now = np.datetime64(int(live.watermark.timestamp()), "s")
    last = now - np.timedelta64(live.watch.step_seconds, "s")  # the step that was muted
    ends = [
        one.end
        for one in live.windows
        if one.start <= last < one.end and matching(one.globs, [key])[0]
    ]
    return datetime.fromtimestamp(int(max(ends).astype("M8[s]").astype(int)), UTC) if ends else None


def seconds_learning(live: "Live") -> np.ndarray:
    """How long each series must still show points before it may alert, shape (n_series,)."""
    unscored: np.ndarray = live.watch.detector.missing * float(live.watch.step_seconds)
    return unscored if live.budget is None else unscored + live.budget.seconds_young
