"""What is served and what is watched, for whoever wonders why the page is quiet."""

import math
from collections import Counter
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from models.drift import drifts, said
from models.shadow import Beside, beside, left
from models.spoken import spoken
from models.traffic import Counts, of_desks, percent, refused, seconds, summary, total
from ops import views
from ops.alerts import desks_of, watching
from ops.office import Office, Visitor, office_of, visitor_of
from ops.rendering import rendered
from ops.resting import planned

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def status(request: Request) -> Response:
    office, visitor = office_of(request), visitor_of(request)
    return rendered(
        request,
        "status.html",
        visitor,
        models=models(office, visitor),
        serving=serving(office, visitor),
        detectors=watching(office, visitor),
        maintenance=planned(office, desks_of(office, visitor)),
        counts={desk: office.store().counts(desk) for desk in desks_of(office, visitor)},
    )


def models(office: Office, visitor: Visitor) -> list[dict[str, Any]]:
    now = office.now()
    return [
        {
            "desk": model.desk,
            "name": model.name,
            "version": model.version,
            "run_id": model.run_id,
            "published": views.moment(model.published_at, now, office.zone),
        }
        for model in office.models()
        if visitor.sees(model.desk)
    ]


def shadow(counts: Counts, visitor: Visitor) -> list[dict[str, str]]:
    """How far challengers agree, a row each; one that could score nothing has a row as well."""
    told = of_desks(counts, visitor.sees)
    rows, missed = beside(told), left(told)
    silent = [
        Beside(*at, "-", 0, 0, Counter(), Counter())
        for at in missed
        if at not in {one[:3] for one in rows}
    ]
    return [
        {
            "desk": one.desk,
            "pair": f"{one.challenger} beside {one.champion}",
            "target": one.target,
            "tickets": f"{one.n:,}",
            "same": percent(one.n_same / one.n if one.n else math.nan),
            "missed": ", ".join(f"{n:,} {why}" for why, n in missed.get(one[:3], {}).items()),
        }
        for one in (*rows, *silent)
    ]


def serving(office: Office, visitor: Visitor) -> dict[str, Any]:
    """The last hour of the endpoint, and what the visitor's models said in it."""
    store, now = office.store(), office.now()
    hour = total(one.figures for one in store.serving(now - HOUR))
    counts = of_desks(hour, visitor.sees)
    told = summary(counts)
    moved = drifts(store.serving(now - DAY, scored=True), store.serving_firsts())
    return {
        "figures": {
            "requests": f"{told.requests:,}",
            "tickets": f"{told.tickets:,}",
            "scoring, p50": seconds(told.p50),
            "scoring, p99": seconds(told.p99),
            "full tier": percent(told.full_share),
        },
        "refused": refused(counts),
        "said": [
            one._asdict()
            | {kind: percent(getattr(one, kind)) for kind in ("auto", "suggest", "abstain")}
            | {"tickets": f"{one.tickets:,}", "drift": said(one.psi)}
            for one in spoken(counts, moved)
        ],
        "shadow": shadow(total(one.figures for one in store.serving(now - DAY)), visitor),
    }
