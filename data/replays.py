"""What a replay told: for each of several budgets what would have fired. Kept as JSON."""

import json
import math
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple


class Estimate(NamedTuple):
    """A figure and its 95 % interval; NaN is what nobody knows."""

    value: float
    low: float
    high: float


UNKNOWN = Estimate(math.nan, math.nan, math.nan)


@dataclass(frozen=True, slots=True)
class BudgetTold:
    """What one budget of false alerts a week would have raised over the time judged.

    `by_chance` is the share of the incidents that as many alerts at random times on random
    series would find, in expectation. Minutes are those of incidents that were found. What
    needs incidents is NaN, and `n_false` 0, where none is known.
    """

    budget: float
    n_alerts: int
    per_week: Estimate
    n_found: int
    found: Estimate
    by_chance: float
    median_minutes: Estimate
    p90_minutes: Estimate
    n_false: int
    false_per_week: Estimate


@dataclass(frozen=True, slots=True)
class Fired:
    """One alert that would have been raised under `budget`, and the incident it is about."""

    budget: float
    series: str
    opened_at: datetime
    closed_at: datetime | None
    score: float
    threshold: float
    observed: float
    expected: float
    lower: float
    upper: float
    why: str
    incident: str = ""

    @property
    def strength(self) -> float:
        """The score as a multiple of the threshold."""
        return self.score / self.threshold


@dataclass(frozen=True, slots=True)
class Declared:
    """An incident of the time judged, with the least budget under which it was found."""

    id: str
    title: str
    onset_at: datetime
    ended_at: datetime | None
    least_budget: float = math.nan


@dataclass(frozen=True, slots=True)
class ReplayTold:
    """A ladder of budgets, the lowest first, over the same past; `marked` is the one asked for.

    Alerts count from `start` to `stop`; what came before was learnt from alone. Times of several
    files add up in `n_weeks`. `notes` say what was left out, and why.

    >>> from datetime import UTC
    >>> at = datetime(2026, 3, 2, tzinfo=UTC)
    >>> told = ReplayTold("rare", 1.0, 300, at, at, 0.0, 1, 0, (), (), ())
    >>> ReplayTold.from_json(told.to_json()) == told
    True
    """

    detector: str
    marked: float
    step_seconds: int
    start: datetime
    stop: datetime
    n_weeks: float
    n_series: int
    n_points: int
    budgets: tuple[BudgetTold, ...]
    fired: tuple[Fired, ...]
    incidents: tuple[Declared, ...]
    notes: tuple[str, ...] = ()

    def fired_at(self, budget: float) -> list[Fired]:
        """The alerts of one budget, in the order they opened."""
        return [one for one in self.fired if one.budget == budget]

    def strongest(self, budget: float, n: int) -> list[Fired]:
        """The strongest alerts of one budget, the strongest first."""
        return sorted(self.fired_at(budget), key=lambda one: -one.strength)[:n]

    def trimmed(self, n: int) -> "ReplayTold":
        """The same with the `n` strongest alerts of each budget; all are counted still."""
        kept = (one for told in self.budgets for one in self.strongest(told.budget, n))
        return replace(self, fired=tuple(sorted(kept, key=lambda one: (one.budget, one.opened_at))))

    def plain(self) -> dict[str, Any]:
        """All of it as JSON knows it: times in ISO 8601, null for what nobody knows."""
        made: dict[str, Any] = _plain(asdict(self))
        for budget, row in zip(self.budgets, made["budgets"], strict=True):
            for name in ESTIMATES:
                row[name] = _plain(getattr(budget, name)._asdict())
        return made

    def to_json(self) -> str:
        return json.dumps(self.plain(), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "ReplayTold":
        """What `to_json` wrote."""
        told = json.loads(text)
        return cls(
            **_timed(told, "start", "stop")
            | {
                "budgets": tuple(_budget(row) for row in told["budgets"]),
                "fired": tuple(
                    Fired(**_known(_timed(row, "opened_at", "closed_at"), *NUMBERS))
                    for row in told["fired"]
                ),
                "incidents": tuple(
                    Declared(**_known(_timed(row, "onset_at", "ended_at"), "least_budget"))
                    for row in told["incidents"]
                ),
                "notes": tuple(told["notes"]),
            }
        )


ESTIMATES = ("per_week", "found", "median_minutes", "p90_minutes", "false_per_week")
NUMBERS = ("score", "threshold", "observed", "expected", "lower", "upper")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None  # neither NaN nor infinity is JSON
    return value


def _budget(row: dict[str, Any]) -> BudgetTold:
    estimates = {name: Estimate(**_known(row[name], *Estimate._fields)) for name in ESTIMATES}
    return BudgetTold(**_known(row, "by_chance") | estimates)


def _known(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return row | {name: math.nan for name in names if row[name] is None}


def _timed(row: dict[str, Any], *names: str) -> dict[str, Any]:
    times = {name: row[name] and datetime.fromisoformat(row[name]) for name in names}
    return row | times
