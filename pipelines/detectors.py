"""What the metric detector is set to, as versions: replayed, kept in MLflow, let through a gate.

A version is tried on the desk's own past, beside what is in force, on the same points and the same
known incidents. What was promoted goes before the environment, for detection and for replays.
"""

import hashlib
import json
import tempfile
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data.published import open_version, pointer, publish
from data.replays import BudgetTold, ReplayTold
from models.compare import LUCK, p_better
from pipelines.console import Step
from pipelines.gate import FORCED, GATE, Refused
from pipelines.in_force import FILE, SETS, detector_name, in_force, read_set
from pipelines.ladder import Ladder
from pipelines.ladder_figure import png
from pipelines.models import CHALLENGER, CHAMPION
from pipelines.replays import replayed_desk
from pipelines.workspace import Workspace

if TYPE_CHECKING:
    from data.published import Pointer
    from data.registry import Registry, Version

INCIDENTS, CHAMPIONS = "incidents", "champion_incidents"
FIGURES = ("budget", "alerts_per_week", "found", "median_minutes")
COLUMNS = ["version", "tried", "aliases", "in force", "budget", "alerts a week", "found", "minutes"]


# -- trying -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tried:
    """A replay under some settings, of which one budget counts."""

    told: ReplayTold

    @property
    def at_budget(self) -> BudgetTold:
        return next(one for one in self.told.budgets if one.budget == self.told.marked)

    @property
    def found(self) -> set[str]:
        """The incidents that it would have told of."""
        return {one.incident for one in self.told.fired_at(self.told.marked)} - {""}

    def incidents(self) -> list[dict[str, object]]:
        """A row an incident, found or not."""
        found = self.found
        return [
            {
                "incident": one.id,
                "onset_at": one.onset_at.isoformat(),
                "found": int(one.id in found),
            }
            for one in self.told.incidents
        ]

    def metrics(self) -> dict[str, float]:
        one = self.at_budget
        n = len(self.told.incidents)
        return {
            "budget": self.told.marked,
            "alerts_per_week": one.per_week.value,
            "alerts_per_week_low": one.per_week.low,
            "false_per_week": one.false_per_week.value if n else float("nan"),
            "false_per_week_low": one.false_per_week.low if n else float("nan"),
            "incidents": float(n),
            "found": one.found.value,
            "found_by_chance": one.by_chance,
            "median_minutes": one.median_minutes.value,
            "weeks": self.told.n_weeks,
        }


def try_out(place: Workspace, since: datetime | None, step: Step) -> "Version":
    """Replay the desk's past under the settings of `place`, and keep them as a @challenger.

    What is in force is replayed beside it, so that the gate can compare both.
    """
    settings, registry = place.settings, place.registry()
    tried = _replayed(place, since, step)
    now = pointer(settings.home, detector_name(settings.desk))
    beside: list[dict[str, object]] = []
    if now is not None:
        champion = replace(place, settings=in_force(settings))
        rows = _replayed(champion, since, step).incidents()
        beside = [{"version": now.version, **row} for row in rows]
    told = tried.told
    past = f"{told.start} {told.stop} {told.n_series} {told.n_points}"
    with tempfile.TemporaryDirectory() as aside:
        held = {name: getattr(settings, name) for name in SETS}
        (Path(aside) / FILE).write_text(json.dumps(held, indent=1), encoding="utf-8")
        return registry.log_training(
            detector_name(settings.desk),
            Path(aside),
            params={**held, "step_seconds": settings.step_seconds, "timezone": settings.timezone},
            metrics=tried.metrics(),
            data_hash=hashlib.sha256(past.encode()).hexdigest(),
            tables={INCIDENTS: tried.incidents(), CHAMPIONS: beside},
            figures={"replay": png(told)},
        )


def _replayed(place: Workspace, since: datetime | None, step: Step) -> Tried:
    return Tried(replayed_desk(place, Ladder.of(place.settings, since), None, (), step))


# -- promoting ----------------------------------------------------------------------------------


def promote(
    place: Workspace, registry: "Registry", number: str | None, force: str | None = None
) -> "Pointer":
    """Let a version be in force from the next look on, the last one tried if none is named.

    `Refused` says what speaks against it; `force`, a reason, lets it through and is kept with it.
    """
    home, name = place.settings.home, detector_name(place.settings.desk)
    version = registry.version(name, number) if number else registry.by_alias(name, CHALLENGER)
    if version is None:
        raise LookupError(f"no settings of {name!r} were tried yet; `forewarn detectors try` first")
    against = reasons(registry, home, name, version)
    verdict = "refused: " + "; ".join(against) if against else "passed"
    registry.note(name, version.number, GATE, verdict)
    if against and force is None:
        raise Refused(
            f"version {version.number} of {name!r} was not promoted: {'; '.join(against)}. "
            '`--force "REASON"` promotes it all the same and keeps the reason'
        )
    if force is not None:
        registry.note(name, version.number, FORCED, force)
    with tempfile.TemporaryDirectory() as aside:
        folder = registry.fetch(name, version.number, Path(aside) / version.number)
        read_set(folder / FILE)
        registry.set_alias(name, CHAMPION, version.number)
        return publish(home, name, version.number, version.run_id, folder)


def reasons(registry: "Registry", home: Path, name: str, version: "Version") -> list[str]:
    """What speaks against a version: a budget it would break, incidents it would miss."""
    against, figures = [], version.metrics
    budget = figures["budget"]
    false = figures.get("false_per_week_low", figures["alerts_per_week_low"])
    if false > budget:
        against.append(
            f"at a budget of {budget:g} a week it would have raised more than that, at least "
            f"{false:.2f} a week at 95 %"
        )
    now = pointer(home, name)
    if now is None or now.version == version.number:
        return against
    rows = registry.table(version, CHAMPIONS)
    if not rows and figures["incidents"]:
        rows = [{"version": "none"}]
    if rows and rows[0]["version"] != now.version:
        return [*against, f"it was not tried beside version {now.version}, which is in force now"]
    before = {row["incident"]: row["found"] == "1" for row in rows}
    after = {row["incident"]: row["found"] == "1" for row in registry.table(version, INCIDENTS)}
    both = sorted(before.keys() & after.keys())
    ours, theirs = (np.array([one[id] for id in both], bool) for one in (after, before))
    if p_better(theirs, ours) <= LUCK:
        against.append(
            f"it finds {ours.sum()} of {len(both)} known incidents, version {now.version} finds "
            f"{theirs.sum()}: beyond luck"
        )
    return against


def rollback(registry: "Registry", home: Path, desk: str) -> "Pointer":
    """Put in force again what was before."""
    name = detector_name(desk)
    now = pointer(home, name)
    if now is None or not now.previous:
        raise LookupError(f"nothing to roll {name!r} back to")
    *earlier, number = now.previous
    model = open_version(home, name, number)
    registry.set_alias(name, CHAMPION, number)
    return publish(home, name, number, model.run_id, model.folder, previous=tuple(earlier))


def rows(registry: "Registry", home: Path, desk: str) -> list[list[str]]:
    """A row a version for a table under `COLUMNS`, the newest first."""
    name = detector_name(desk)
    now = pointer(home, name)
    return [
        [
            version.number,
            f"{version.created_at:%Y-%m-%d %H:%M}",
            ", ".join(f"@{alias}" for alias in version.aliases),
            "yes" if now is not None and now.version == version.number else "",
            *(_figure(version.metrics, figure) for figure in FIGURES),
        ]
        for version in registry.versions(name)
    ]


def _figure(metrics: dict[str, float], name: str) -> str:
    return f"{metrics[name]:.2f}" if name in metrics else ""
