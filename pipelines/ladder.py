"""What a ladder of budgets would have raised over the same past, and what that is worth."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np

from data.records import Alert, Incident
from data.replays import UNKNOWN, BudgetTold, Declared, Estimate, Fired, ReplayTold
from data.settings import Settings
from models import DETECTORS, intervals
from models.floors import Floors
from models.ladder import rung
from models.replay import Replayed
from pipelines.alerts import utc
from pipelines.console import Report, silent
from pipelines.detect import SETTLE
from pipelines.feeds import DETECTOR_OF, METRICS, TICKETS, TOTAL, Kind, instant
from pipelines.found import GRACE, WEEK, Comparison, Found, compare
from pipelines.ladder_alerts import Numbers, alerts_of
from pipelines.live import budget_of

BUDGETS = (0.5, 1.0, 2.0, 4.0, 8.0)


class Part(NamedTuple):
    """Series of one interval that were replayed side by side, over the steps that are judged."""

    keys: list[str]
    times: np.ndarray
    step: timedelta
    alerts: dict[float, list[Alert]]  # by budget, in the order they opened

    @property
    def start(self) -> datetime:
        return utc(self.times[0])

    @property
    def stop(self) -> datetime:
        return utc(self.times[-1]) + self.step

    @property
    def n_cells(self) -> int:
        return len(self.times) * len(self.keys)

    def compared(self, budget: float, incidents: Sequence[Incident]) -> Comparison:
        """The alerts of one budget beside the incidents that touch a series of this part."""
        own = set(self.keys)
        touching = [incident for incident in incidents if own & set(incident.series)]
        return compare(self.alerts[budget], touching, self.start, self.stop, self.step)

    def n_about(self, incident: Incident) -> int:
        """On how many of its cells, a step of a series, an alert would be about `incident`."""
        end = (incident.ended_at or incident.onset_at) + GRACE
        first = np.searchsorted(self.times, instant(incident.onset_at - self.step), side="left")
        last = np.searchsorted(self.times, instant(end), side="right")
        return int(last - first) * len(set(self.keys) & set(incident.series))


@dataclass
class Ladder:
    """Takes in replays, of one file after another or of a desk, and tells what came of them.

    `since` is from when alerts count; by default the first third, two weeks at most, is learnt
    from alone, as `forewarn detect` does with what is stored when it begins.
    """

    settings: Settings
    budgets: tuple[float, ...]
    marked: float
    since: datetime | None = None
    kind: Kind = METRICS
    parts: list[Part] = field(default_factory=list)
    n_points: int = 0

    @classmethod
    def of(
        cls, settings: Settings, since: datetime | None = None, kind: Kind = METRICS
    ) -> "Ladder":
        """The usual budgets, and the one that is set, which is marked."""
        marked = budget_of(kind, settings)
        return cls(settings, tuple(sorted({*BUDGETS, marked})), marked, since, kind)

    def add(
        self,
        seen: Replayed,
        times: np.ndarray,
        values: np.ndarray,
        keys: list[str],
        step: int,
        report: Report = silent,
        left_out: np.ndarray | None = None,
        floors: Floors | None = None,
        numbers: Numbers | None = None,
    ) -> None:
        """Take in what a detector said of `values` (n_steps, n_series) at `times` (n_steps,).

        What is `left_out` (n_steps, n_series) counts towards no threshold; what `floors` hold back
        opens nothing. `numbers` are those that an alert tells, where they are not the values'.
        """
        self.n_points += int(np.isfinite(values).sum())
        alerts, known = {}, np.zeros(len(times), bool)
        detector, strict = DETECTORS[DETECTOR_OF[self.kind]].__name__, self.kind == TICKETS
        for done, budget in enumerate(self.budgets, start=1):
            told = rung(seen, times, values, step, budget, detector, left_out, floors, strict)
            alerts[budget] = alerts_of(told, times, keys, self.settings, self.kind, numbers)
            known |= np.isfinite(told.thresholds)
            report(done, len(self.budgets))
        judged = times[known & (times >= self._first(times))]
        if len(judged):
            start = utc(judged[0])
            since = {
                budget: [alert for alert in all_of if alert.opened_at >= start]
                for budget, all_of in alerts.items()
            }
            self.parts.append(Part(keys, judged, timedelta(seconds=step), since))

    def _first(self, times: np.ndarray) -> np.datetime64:
        if self.since is not None:
            return instant(self.since)
        start, stop = utc(times[0]), utc(times[-1])
        return instant(start + min(SETTLE, (stop - start) / 3))

    def told(self, incidents: Sequence[Incident] | None, notes: Sequence[str] = ()) -> ReplayTold:
        """What each budget would have raised; `incidents` None where none is known."""
        if not self.parts:
            wanted = "after --since" if self.since else "in all"
            raise ValueError(
                f"too short to tell: a threshold needs two days of scores, and some time {wanted} "
                f"to be judged; got {self.n_points:,} points"
            )
        judged, left_out = self.judged(incidents or ())
        compared = {budget: self.compared(budget, judged) for budget in self.budgets}
        return ReplayTold(
            detector=DETECTOR_OF[self.kind],
            marked=self.marked,
            step_seconds=int(min(part.step for part in self.parts).total_seconds()),
            start=min(part.start for part in self.parts),
            stop=max(part.stop for part in self.parts),
            n_weeks=self.n_weeks,
            n_series=sum(len(part.keys) for part in self.parts),
            n_points=self.n_points,
            budgets=tuple(self.row(budget, one) for budget, one in compared.items()),
            fired=tuple(
                one for budget in self.budgets for one in self.fired(budget, compared[budget])
            ),
            incidents=tuple(declared(incident, compared) for incident in judged),
            notes=(*notes, *left_out),
        )

    @property
    def n_weeks(self) -> float:
        return sum(len(part.times) * part.step / WEEK for part in self.parts)

    def judged(self, incidents: Sequence[Incident]) -> tuple[list[Incident], list[str]]:
        """The incidents that these series could tell of, and what is said of the others.

        One that names neither series nor categories may be told by any series.
        """
        keys = {key for part in self.parts for key in part.keys}
        named = [self._named(one, keys) for one in incidents]
        touching = [one for one in named if keys & set(one.series)]
        within = [one for one in touching if any(self._spans(part, one) for part in self.parts)]
        left_out = [
            (len(named) - len(touching), "none of the series replayed"),
            (len(touching) - len(within), "a time that is not judged"),
        ]
        return within, [
            f"{n} incident{'s' if n > 1 else ''} left out: of {why_out}"
            for n, why_out in left_out
            if n
        ]

    def _named(self, incident: Incident, keys: set[str]) -> Incident:
        """The incident with the series, here of `keys`, that may tell of it."""
        if not incident.series and not incident.categories:
            every = tuple(sorted(keys))
            return replace(incident, series=every, categories=every)
        if self.kind == TICKETS:
            return replace(incident, series=(*incident.categories, TOTAL))
        return incident

    def _spans(self, part: Part, incident: Incident) -> bool:
        touched = set(part.keys) & set(incident.series)
        return bool(touched) and part.start <= incident.onset_at < part.stop

    def compared(self, budget: float, incidents: Sequence[Incident]) -> Comparison:
        """All parts' alerts of one budget beside the incidents."""
        parts = [(part, part.compared(budget, incidents)) for part in self.parts]
        about: dict[str, list[tuple[Alert, timedelta]]] = {one.id: [] for one in incidents}
        for part, one in parts:
            for found in one.found:
                about[found.incident.id] += [(alert, part.step) for alert in found.alerts]
        false = tuple(alert for _, one in parts for alert in one.false)
        return Comparison(
            tuple(pooled(one, about[one.id]) for one in incidents), false, self.n_weeks
        )

    def row(self, budget: float, compared: Comparison) -> BudgetTold:
        """The figures of one budget."""
        n_alerts = sum(len(part.alerts[budget]) for part in self.parts)
        minutes = [one.minutes for one in compared.found if one.alerts]
        n, weeks = len(compared.found), self.n_weeks
        n_false = len(compared.false) if n else 0
        return BudgetTold(
            budget=budget,
            n_alerts=n_alerts,
            per_week=Estimate(n_alerts / weeks, *intervals.rate(n_alerts, weeks)),
            n_found=len(minutes),
            found=Estimate(compared.share, *intervals.share(len(minutes), n)),
            by_chance=self.by_chance([one.incident for one in compared.found], n_alerts),
            median_minutes=estimated(minutes, 0.5),
            p90_minutes=estimated(minutes, 0.9),
            n_false=n_false,
            false_per_week=Estimate(n_false / weeks, *intervals.rate(n_false, weeks))
            if n
            else UNKNOWN,
        )

    def by_chance(self, incidents: Sequence[Incident], n_alerts: int) -> float:
        """The share of the incidents that `n_alerts` at random would find, in expectation.

        Each such alert opens at any step of any series, all alike; NaN without incidents.
        """
        n_cells = sum(part.n_cells for part in self.parts)
        about = [sum(part.n_about(one) for part in self.parts) for one in incidents]
        missed = [(1 - n / n_cells) ** n_alerts for n in about]
        return 1 - float(np.mean(missed)) if missed else float("nan")

    def fired(self, budget: float, compared: Comparison) -> list[Fired]:
        """The alerts of one budget, in the order they opened."""
        about = {alert.id: one.incident.id for one in compared.found for alert in one.alerts}
        told = [
            of_alert(alert, budget, about.get(alert.id, ""))
            for part in self.parts
            for alert in part.alerts[budget]
        ]
        return sorted(told, key=lambda one: (one.opened_at, one.series))


def pooled(incident: Incident, about: list[tuple[Alert, timedelta]]) -> Found:
    """An incident with the alerts of all parts that are about it."""
    ordered = sorted(about, key=lambda pair: pair[0].opened_at + pair[1])
    step = ordered[0][1] if ordered else timedelta()
    return Found(incident, tuple(alert for alert, _ in ordered), step)


def estimated(minutes: Sequence[float], q: float) -> Estimate:
    """A quantile of the minutes to detect and its interval.

    >>> estimated([5, 10, 15], 0.5)
    Estimate(value=10.0, low=nan, high=nan)
    """
    if not minutes:
        return UNKNOWN
    return Estimate(float(np.quantile(minutes, q)), *intervals.quantile(minutes, q))


def declared(incident: Incident, compared: dict[float, Comparison]) -> Declared:
    """An incident, with the least budget under which an alert was about it."""
    finding = [
        budget
        for budget, one in compared.items()
        if any(found.alerts for found in one.found if found.incident.id == incident.id)
    ]
    least = min(finding, default=float("nan"))
    return Declared(incident.id, incident.title, incident.onset_at, incident.ended_at, least)


def of_alert(alert: Alert, budget: float, incident: str) -> Fired:
    """An alert as a replay tells it."""
    names = ("opened_at", "closed_at", "score", "threshold", "observed", "expected", "lower",
             "upper")  # fmt: skip
    told = {name: getattr(alert, name) for name in names} | {"why": alert.summary}
    return Fired(budget=budget, series=alert.key, incident=incident, **told)
