"""What the OpenAPI document says of errors: once for all routes, in the form that each answers in.

A route says what it is asked and what it answers when all is well. What else may come follows from
what it takes: a key, a body, parameters, a name in its path.
"""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI

from api.problems import Form, Problem, ProblemResponse

MEANINGS = {
    400: "this Host is not served, or the body cannot be read",
    401: "no key came, or one that is unknown, expired or revoked",
    403: "the key may not do this, or not on this desk; or a page of another origin asked",
    404: "nothing has this name, or not for this key",
    408: "the body did not come in time",
    409: "not possible as things stand now",
    413: "the body, or what is in it, is more than goes at once",
    415: "the body is of a type that is not read here, or compressed",
    422: "a parameter or the body is not as it should be",
    429: "more than the key may send, or than can be answered soon: come back after `Retry-After`",
    503: "there is no model yet, or the database cannot be used: come back after `Retry-After`",
}
ANY = {400, 403, 413, 415}
WITH_KEY, WITH_BODY, WITH_PARAMETERS, WITH_NAME = {401, 429, 503}, {408, 422}, {422}, {404}
WITH_CLAIM = {409}
ALSO = {
    "post /v1/incidents/{id}": {409},
    "get /readyz": {503},
    "get /ping": {503},
    "get /health": {503},
    "get /v2/health/ready": {503},
}
NAMES = {"X-Model-Version"}  # parameters outside the path that name what may not be there
CLAIMS = {"Idempotency-Key"}  # those by which two requests may want the same
RETRY = {"Retry-After": {"description": "seconds to wait", "schema": {"type": "integer"}}}
PROBLEM = {
    "type": "object",
    "description": "RFC 9457; `errors` says where a request is wrong",
    "required": ["type", "title", "status", "detail", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["where", "what"],
                "properties": {"where": {"type": "string"}, "what": {"type": "string"}},
            },
        },
    },
}
FRAMEWORK = ("HTTPValidationError", "ValidationError")  # how FastAPI alone would tell of a 422


def install(app: FastAPI, forms: Mapping[str, Form]) -> None:
    """Have the document of `app` tell each operation's errors; `forms` as in `problems.install`."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            with_errors(made(), forms)
        return made()

    app.openapi = openapi  # type: ignore[method-assign]


def with_errors(document: dict[str, Any], forms: Mapping[str, Form]) -> None:
    """Add to `document` what each of its operations answers where something is wrong."""
    components = document["components"]
    components["responses"] = {}
    for path, operations in document["paths"].items():
        first = path.split("/")[1]
        form, name = forms.get(first), first if first in forms else "problem"
        for method, operation in operations.items():
            operation["responses"].pop("422", None)
            for status in statuses(method, path, operation):
                told = form(Problem(status, ""))[0] if form else status
                components["responses"][f"{name}-{told}"] = response(told, form)
                operation["responses"][str(told)] = {
                    "$ref": f"#/components/responses/{name}-{told}"
                }
    components["schemas"] = {
        name: schema for name, schema in components["schemas"].items() if name not in FRAMEWORK
    } | {"Problem": PROBLEM}


def statuses(method: str, path: str, operation: Mapping[str, Any]) -> list[int]:
    """The errors that an operation may answer with.

    >>> statuses("get", "/v1/alerts/{id}", {"security": [{}], "parameters": [{"name": "id"}]})
    [400, 401, 403, 404, 413, 415, 422, 429, 503]
    """
    parameters = {one["name"] for one in operation.get("parameters", ())}
    found = ANY | ALSO.get(f"{method} {path}", set())
    found |= WITH_KEY if "security" in operation else set()
    found |= WITH_BODY if "requestBody" in operation else set()
    found |= WITH_PARAMETERS if parameters else set()
    found |= WITH_NAME if "{" in path or parameters & NAMES else set()
    found |= WITH_CLAIM if parameters & CLAIMS else set()
    return sorted(found)


def response(status: int, form: Form | None) -> dict[str, Any]:
    """An error as the document shows it; that of another protocol has the parts of its form."""
    if form is None:
        content = {ProblemResponse.media_type: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    else:
        parts = list(form(Problem(status, ""))[1])
        schema = {
            "type": "object",
            "required": parts,
            "properties": {part: {"type": "string"} for part in parts},
        }
        content = {"application/json": {"schema": schema}}
    headers = {"headers": RETRY} if status in (429, 503) else {}
    return {"description": MEANINGS[status], "content": content, **headers}
