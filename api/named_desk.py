"""The desk of a request, which may be named in its path, in its query or in its body."""

import re

from fastapi import Depends, Request

from api.auth import Caller, check_desk
from api.problems import invalid
from api.service import DESK, DeskPath, Service

NAME = re.compile(DESK)


def shown(desk: DeskPath) -> None:
    """Has FastAPI check a path's desk, and the OpenAPI document tell of it."""


IN_PATH = [Depends(shown)]


def under_desk(path: str) -> str:
    """Where the same is asked with the desk in the path.

    >>> under_desk("/v1/tickets/score")
    '/v1/desks/{desk}/tickets/score'
    """
    return path.replace("/v1/", "/v1/desks/{desk}/", 1)


def desk_meant(
    request: Request, service: Service, caller: Caller, asked: str | None, told: str | None = None
) -> str:
    """The desk of the path, else the one `asked` for, else the one that the body has `told`.

    Without any it is ours. Problem 422 where another one stands beside that of the path, 403 where
    it is not the caller's.
    """
    path = request.path_params.get("desk")
    for where, name in (("path", path), ("query", asked), ("body", told)):
        if name is not None and not NAME.fullmatch(name):
            raise invalid([{"loc": (where, "desk"), "msg": "wanted the name of a desk"}])
        if path is not None and name not in (None, path):
            raise invalid([{"loc": (where, "desk"), "msg": "another desk than the path names"}])
    desk = path or asked or told or service.settings.desk
    check_desk(caller, desk)
    return desk
