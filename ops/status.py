"""What is served and what is watched, for whoever wonders why the page is quiet."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ops import views
from ops.alerts import desks_of, watching
from ops.office import Office, Visitor, office_of, visitor_of
from ops.rendering import rendered
from ops.resting import planned


def status(request: Request) -> Response:
    office, visitor = office_of(request), visitor_of(request)
    return rendered(
        request,
        "status.html",
        visitor,
        models=models(office, visitor),
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
