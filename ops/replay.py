"""What would have fired, for each of several budgets, before anything is switched on."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from data import replay_words as words
from data.replays import Fired, ReplayTold
from models.severity import graded
from ops import replay_drawing, views
from ops.alerts import desks_of
from ops.office import Office, office_of, visitor_of
from ops.rendering import rendered

KIND = "metrics"
SHOWN = 50  # alerts that are listed; the CSV has them all


def replay(request: Request) -> Response:
    office, visitor = office_of(request), visitor_of(request)
    desks = desks_of(office, visitor)
    desk = desk_of(request, office, desks)
    found = office.store().replay(desk, KIND) if desk else None
    context: dict[str, Any] = {"desk": desk, "desks": desks, "replay": None}
    if found:
        budget = budget_of(request, found.told)
        context |= {
            "replay": found,
            "made": views.moment(found.made_at, office.now(), office.zone),
            "heading": words.heading(found.told),
            "notes": words.notes(found.told),
            "columns": words.columns(found.told),
            "explained": words.EXPLAINED,
            "rows": words.budget_rows(found.told),
            "panels": replay_drawing.panels(found.told),
            "timeline": replay_drawing.timeline(found.told, office.zone),
            "budget": budget,
            "tabs": tabs(found.told, desk, budget),
            "fired": fired(found.told, budget, office),
            "shown": SHOWN,
        }
    return rendered(request, "replay.html", visitor, **context)


def desk_of(request: Request, office: Office, desks: list[str]) -> str:
    """The desk that is asked for, if it may be seen; else our own, or the first that may."""
    wanted = [request.query_params.get("desk", ""), office.settings.desk, *desks]
    return next((desk for desk in wanted if desk in desks), "")


def budget_of(request: Request, told: ReplayTold) -> float:
    """The budget whose alerts are listed: the one that is asked for, or else that is set."""
    asked = request.query_params.get("budget", "")
    by_name = {f"{one.budget:g}": one.budget for one in told.budgets}
    return by_name.get(asked, told.marked)


def tabs(told: ReplayTold, desk: str, budget: float) -> list[dict[str, Any]]:
    """One tab a budget, with how many alerts it would have raised."""
    return [
        {
            "word": f"{one.budget:g} a week",
            "url": views.address("/ops/replay", desk=desk, budget=f"{one.budget:g}"),
            "n": f"{one.n_alerts:,}",
            "is_here": one.budget == budget,
        }
        for one in told.budgets
    ]


def fired(told: ReplayTold, budget: float, office: Office) -> list[dict[str, Any]]:
    """The alerts of one budget, the strongest first."""
    titles = {one.id: one.title for one in told.incidents}
    return [row(one, titles, told, office) for one in told.strongest(budget, SHOWN)]


def row(one: Fired, titles: dict[str, str], told: ReplayTold, office: Office) -> dict[str, Any]:
    """What one line of the list shows."""
    grade, word = graded(one.strength)
    return {
        "severity": grade,
        "severity_word": word,
        "ratio": f"{one.strength:.1f}× threshold",
        "key": one.series,
        "why": one.why,
        "lasted": words.lasted(one, told.step_seconds),
        "opened": views.moment(one.opened_at, office.now(), office.zone),
        "about": titles.get(one.incident, ""),
    }
