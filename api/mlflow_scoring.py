"""MLflow's scoring protocol, so that what asks an MLflow model server can ask us.

https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/#inference-server-specification
"""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from api.auth import Scorer, check_desk, desk_of
from api.problems import Form, Problem, request_id_of
from api.protocols import admit, flat, kind, listed
from api.responses import JsonResponse
from api.scoring import scored_by
from api.service import DESK, NO_MODEL, Served, champion_of

JSON, CSV = "application/json", "text/csv"
# MLflow has names for errors, not numbers; where it has none for ours it says BAD_REQUEST too.
CODES = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "ENDPOINT_NOT_FOUND",
    429: "REQUEST_LIMIT_EXCEEDED",
    500: "INTERNAL_ERROR",
    503: "TEMPORARILY_UNAVAILABLE",
}
DeskAsked = Annotated[
    str | None, Query(pattern=DESK, description="default: the key's only one, or FOREWARN_DESK")
]
Row = Mapping[str, Any]  # what came of one ticket, by column

router = APIRouter(tags=["MLflow's protocol"])


class PredictionsOut(BaseModel):
    """`predictions` has of each target `<target>`, `<target>_probability`, `<target>_decision`."""

    model_config = ConfigDict(protected_namespaces=())

    predictions: list[dict[str, str | float | None]]
    model_name: str
    model_version: str
    request_id: str


ROWS = {"type": "array", "items": {"type": "object"}}
TABLE = {
    "type": "object",
    "required": ["columns", "data"],
    "properties": {
        "columns": {"type": "array", "items": {"type": "string"}},
        "data": {"type": "array", "items": {"type": "array"}},
        "index": {"type": "array"},
    },
}
TEXTS = {
    "anyOf": [
        {"type": "array", "items": {"type": "string"}},
        ROWS,
        {"type": "object", "additionalProperties": {"type": "array"}},
    ]
}
FIELDS = {"dataframe_split": TABLE, "dataframe_records": ROWS, "instances": TEXTS, "inputs": TEXTS}
BODY = {
    "type": "object",
    "properties": {**FIELDS, "params": {"type": "object"}},
    "oneOf": [{"required": [field]} for field in FIELDS],
}
OPENAPI = {
    "requestBody": {
        "required": True,
        "content": {JSON: {"schema": BODY}, CSV: {"schema": {"type": "string"}}},
    }
}


@router.post("/invocations", openapi_extra=OPENAPI, response_model=PredictionsOut)
async def invoke(
    request: Request, service: Served, caller: Scorer, desk: DeskAsked = None
) -> JsonResponse:
    """Score tickets that come as MLflow's clients send them, nothing is stored."""
    read = reader_of(request.headers.get("content-type", ""))
    desk = desk_of(caller, desk, service.settings)
    check_desk(caller, desk)
    champion = champion_of(service, desk)
    names = champion.triage.features.columns
    where, rows = read(await request.body(), names[0])
    admit(service, len(rows))
    found = await scored_by(service, champion, columns_of(rows, names, where))
    return JsonResponse(
        {
            "predictions": list(map(flat, found)),
            "model_name": champion.name,
            "model_version": champion.version,
            "request_id": request_id_of(request),
        }
    )


@router.get("/ping", response_class=Response)
@router.get("/health", response_class=Response)
async def ping(service: Served) -> Response:
    """200 as MLflow means it, "if we can load the model": of some desk one is served."""
    if not service.champions.all():
        raise Problem(503, NO_MODEL, headers={"Retry-After": "10"})
    return Response("\n", media_type=JSON)


@router.get("/version", response_class=Response)
async def mlflow_version() -> Response:
    """The version of MLflow whose protocol this is."""
    return Response(version("mlflow"), media_type=JSON)


def error_form(problem: HTTPException) -> tuple[int, dict[str, str]]:
    """An error as MLflow tells it, which knows no 422.

    >>> error_form(Problem(422, "query.desk: wanted a name"))
    (400, {'error_code': 'BAD_REQUEST', 'message': 'query.desk: wanted a name'})
    """
    status = 400 if problem.status_code == 422 else problem.status_code
    code = CODES.get(status, "BAD_REQUEST")
    return status, {"error_code": code, "message": problem.detail}


FORMS: dict[str, Form] = dict.fromkeys(("invocations", "ping", "health", "version"), error_form)
Reader = Callable[[bytes, str], tuple[str, list[Row]]]


def reader_of(content_type: str) -> Reader:
    """What reads a body of this type; Problem 415 where nothing does.

    >>> reader_of("text/csv; charset=UTF-8").__name__
    'read_csv'
    """
    mime, *told = (part.strip().lower() for part in content_type.split(";"))
    if any(parameter.replace('"', "") != "charset=utf-8" for parameter in told):
        raise Problem(415, "only UTF-8 is read, and `charset=utf-8` is all that may be told of it")
    if mime not in READERS:
        raise Problem(415, f"send `Content-Type: {JSON}` or `{CSV}`")
    return READERS[mime]


def read_json(body: bytes, first: str) -> tuple[str, list[Row]]:
    """The tickets in a body, and in which field they stood. Plain texts go into column `first`.

    >>> read_json(b'{"inputs": ["vpn down"]}', "title")
    ('inputs', [{'title': 'vpn down'}])
    """
    given = parsed(utf8(body))
    wanted = f"wanted an object with exactly one of {', '.join(FIELDS)}"
    if not isinstance(given, dict):
        raise Problem(400, f"{wanted}, got {kind(given)}")
    came = [field for field in FIELDS if field in given]
    if len(came) != 1 or given.keys() - {*came, "params"}:
        raise Problem(400, f"{wanted}, and perhaps params; got {listed(given)}")
    if not isinstance(given.get("params"), dict | None):
        raise Problem(400, f"params: wanted an object, got {kind(given['params'])}")
    (field,) = came
    return field, list(rows_of(field, given[field], first))


def utf8(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Problem(400, f"the body is not UTF-8 from byte {error.start} on") from None


def parsed(text: str) -> Any:
    """The JSON in `text`. NaN is null: MLflow's client writes a missing value so.

    >>> parsed('[NaN, "vpn"]')
    [None, 'vpn']
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        fault = f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
    try:
        return orjson.loads(orjson.dumps(json.loads(text)))
    except (ValueError, TypeError, RecursionError):
        raise Problem(400, fault) from None


def rows_of(field: str, given: Any, first: str) -> Iterator[Row]:
    """The tickets in one of MLflow's four forms."""
    if field == "dataframe_split":
        return of_table(field, given)
    if field != "dataframe_records" and isinstance(given, dict):
        return of_columns(field, given)
    if not isinstance(given, list):
        raise Problem(400, f"{field}: wanted a list, got {kind(given)}")
    return of_list(field, given, None if field == "dataframe_records" else first)


def of_table(field: str, given: Any) -> Iterator[Row]:
    """Rows of a table whose columns are named once."""
    if not isinstance(given, dict) or not {"columns", "data"} <= given.keys():
        came = listed(given) if isinstance(given, dict) else kind(given)
        raise Problem(400, f"{field}: wanted an object with columns and data, got {came}")
    names, data = given["columns"], given["data"]
    for name, part in (("columns", names), ("data", data)):
        if not isinstance(part, list):
            raise Problem(400, f"{field}.{name}: wanted a list, got {kind(part)}")
    check_header(names, f"{field}.columns")
    for number, row in enumerate(data):
        if not isinstance(row, list) or len(row) != len(names):
            came = f"{len(row)}" if isinstance(row, list) else kind(row)
            wanted = f"a list of {len(names)} values, as there are columns"
            raise Problem(400, f"{field}.data.{number}: wanted {wanted}, got {came}")
        yield dict(zip(names, row, strict=True))


def check_header(names: Sequence[Any], where: str) -> None:
    """Problem 400 where `names` are not those of columns, each its own."""
    for name in names:
        if not isinstance(name, str):
            raise Problem(400, f"{where}: wanted names, got {kind(name)}")
    if twice := {name for name in names if names.count(name) > 1}:
        raise Problem(400, f"{where}: {listed(twice)} stands there more than once")


def of_columns(field: str, given: Mapping[str, Any]) -> Iterator[Row]:
    """Rows of an object that has a list a column."""
    for name, values in given.items():
        if not isinstance(values, list):
            raise Problem(400, f"{field}.{listed([name])}: wanted a list, got {kind(values)}")
    lengths = {len(values) for values in given.values()}
    if len(lengths) > 1:
        raise Problem(400, f"{field}: wanted columns of one length, got {sorted(lengths)}")
    for values in zip(*given.values(), strict=True):
        yield dict(zip(given, values, strict=True))


def of_list(field: str, given: Sequence[Any], first: str | None) -> Iterator[Row]:
    """Rows that are objects, or plain texts where these have a column to go into."""
    for number, row in enumerate(given):
        if isinstance(row, dict):
            yield row
        elif isinstance(row, str) and first is not None:
            yield {first: row}
        else:
            wanted = "an object" if first is None else "a string or an object"
            raise Problem(400, f"{field}.{number}: wanted {wanted}, got {kind(row)}")


def read_csv(body: bytes, first: str) -> tuple[str, list[Row]]:
    """The tickets in a table with a header.

    >>> read_csv(b'title,body\\n"vpn, again",down\\n', "title")
    ('csv', [{'title': 'vpn, again', 'body': 'down'}])
    """
    lines = csv.reader(io.StringIO(utf8(body), newline=""), strict=True)
    try:
        filled = [(lines.line_num, line) for line in lines if line]
    except csv.Error as error:
        raise Problem(400, f"csv: line {lines.line_num}: {error}") from None
    if not filled:
        raise Problem(400, "csv: wanted a header and at least one ticket, got nothing")
    names = filled[0][1]
    check_header(names, "csv header")
    for number, line in filled:
        if len(line) != len(names):
            wanted = f"{len(names)} fields, as in the header"
            raise Problem(400, f"csv: line {number}: wanted {wanted}, got {len(line)}")
    return "csv", [dict(zip(names, line, strict=True)) for _, line in filled[1:]]


READERS: dict[str, Reader] = {JSON: read_json, CSV: read_csv}


def columns_of(rows: Sequence[Row], names: Sequence[str], where: str) -> dict[str, list[str]]:
    """The texts that the model reads, a missing one as "".

    >>> columns_of([{"title": "vpn", "n": 7}], ["title", "body"], "inputs")
    {'title': ['vpn'], 'body': ['']}
    """
    if not rows:
        raise Problem(400, f"{where}: wanted at least one ticket, got none")
    for number, row in enumerate(rows):
        given = {name: row[name] for name in names if row.get(name) is not None}
        if not given:
            wanted = f"wanted a text in one of the columns {', '.join(names)}"
            raise Problem(400, f"{where}.{number}: {wanted}, got only {listed(row)}")
        for name, text in given.items():
            if not isinstance(text, str):
                raise Problem(400, f"{where}.{number}.{name}: wanted a string, got {kind(text)}")
    return {name: [row.get(name) or "" for row in rows] for name in names}
