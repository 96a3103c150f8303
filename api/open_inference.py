"""The Open Inference Protocol, version 2, by HTTP: tickets as tensors of strings.

https://github.com/kserve/open-inference-protocol
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NoReturn

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.exceptions import HTTPException

from api.auth import Scorer
from api.binary_tensors import HEADER, split, texts_in
from api.champion import Champion
from api.health import desk_of
from api.limits import is_json, read_json
from api.problems import Form, Problem, invalid
from api.protocols import admit, flat, kind, listed
from api.responses import JsonResponse
from api.scoring import scored_by
from api.service import NO_MODEL, Served

OCTETS = "application/octet-stream"
RETRY = {"Retry-After": "10"}

router = APIRouter(prefix="/v2", tags=["Open Inference Protocol"])


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, protected_namespaces=())


class InputIn(Strict):
    name: str
    shape: list[int]
    datatype: str
    data: list[Any] | None = None  # may lie behind the JSON, see api.binary_tensors
    parameters: dict[str, Any] | None = None


class OutputIn(Strict):
    name: str
    parameters: dict[str, Any] | None = None


class InferIn(Strict):
    id: str | None = None
    parameters: dict[str, Any] | None = None
    inputs: list[InputIn]
    outputs: list[OutputIn] | None = None


class TensorOut(BaseModel):
    name: str
    datatype: str
    shape: list[int]


class OutputOut(TensorOut):
    data: list[str | float]


class InferOut(Strict):
    """A label is "" where its decision is abstain: a tensor of strings has no null."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[OutputOut]


class ServerOut(BaseModel):
    name: str
    version: str
    extensions: list[str]


class LiveOut(BaseModel):
    live: bool


class ReadyOut(LiveOut):
    ready: bool


class ModelReadyOut(BaseModel):
    name: str
    ready: bool


class ModelOut(BaseModel):
    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorOut]
    outputs: list[TensorOut]


Name = Annotated[str, Path(description="as GET /v1/models tells it, such as ticket-it")]
VERSION = {"name": "version", "in": "path", "required": True, "schema": {"type": "string"}}
VERSIONED: dict[str, Any] = {"parameters": [VERSION]}
BODY = {
    "type": "object",
    "required": ["inputs"],
    "properties": {
        "id": {"type": "string"},
        "parameters": {"type": "object"},
        "inputs": {"type": "array", "items": InputIn.model_json_schema()},
        "outputs": {"type": "array", "items": OutputIn.model_json_schema()},
    },
}
INFER: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": BODY}}}
}


def served(request: Request, service: Served, caller: Scorer, model: Name) -> Champion:
    """The model that a path names. One of another's desk is not there, as any that is unknown."""
    mine = {c.name: c for c in service.champions.all() if caller.sees(c.desk)}
    if model not in mine:
        if model in service.champions.faults() and caller.sees(desk_of(model)):
            raise Problem(503, "this model could not be loaded; the log says why", headers=RETRY)
        raise Problem(404, "this key has no such model; GET /v1/models names those that are served")
    version = mine[model].version
    if request.path_params.get("version", version) != version:
        raise Problem(404, f"of {model} version {version} is served, not the one asked for")
    return mine[model]


Asked = Annotated[Champion, Depends(served)]


@router.get("/", include_in_schema=False)
@router.get("")
async def server(request: Request) -> ServerOut:
    """What this is."""
    return ServerOut(name="forewarn", version=request.app.version, extensions=[])


@router.get("/health/live")
async def live() -> LiveOut:
    """The process answers."""
    return LiveOut(live=True)


@router.get("/health/ready")
async def ready(service: Served) -> ReadyOut:
    """A model is served for some desk."""
    if not service.champions.all():
        raise Problem(503, NO_MODEL, headers=RETRY)
    return ReadyOut(live=True, ready=True)


@router.get("/models/{model}")
@router.get("/models/{model}/versions/{version}", openapi_extra=VERSIONED)
async def metadata(champion: Asked) -> ModelOut:
    """What a model reads and says."""
    return ModelOut(
        name=champion.name,
        versions=[champion.version],
        platform="forewarn_triage",
        inputs=[
            TensorOut(name=name, datatype="BYTES", shape=[-1])
            for name in champion.triage.features.columns
        ],
        outputs=[
            TensorOut(name=name, datatype=datatype, shape=[-1])
            for name, datatype in datatypes(champion.triage.targets).items()
        ],
    )


@router.get("/models/{model}/ready")
@router.get("/models/{model}/versions/{version}/ready", openapi_extra=VERSIONED)
async def model_ready(champion: Asked) -> ModelReadyOut:
    """It is loaded, and so can score."""
    return ModelReadyOut(name=champion.name, ready=True)


@router.post("/models/{model}/infer", openapi_extra=INFER, response_model=InferOut)
@router.post(
    "/models/{model}/versions/{version}/infer",
    openapi_extra=INFER | VERSIONED,
    response_model=InferOut,
)
async def infer(request: Request, service: Served, champion: Asked) -> JsonResponse:
    """Score tickets that come as tensors, one a text column; nothing is stored."""
    asked = await asked_of(request)
    kinds = datatypes(champion.triage.targets)
    names = outputs_of(asked.outputs, kinds)
    columns = columns_of(asked.inputs, champion.triage.features.columns)
    n_tickets = len(next(iter(columns.values())))
    admit(service, n_tickets)
    rows = list(map(flat, await scored_by(service, champion, columns)))
    return JsonResponse(
        {
            "model_name": champion.name,
            "model_version": champion.version,
            **({} if asked.id is None else {"id": asked.id}),
            "outputs": [
                {
                    "name": name,
                    "datatype": kinds[name],
                    "shape": [n_tickets],
                    "data": ["" if row[name] is None else row[name] for row in rows],
                }
                for name in names
            ],
        }
    )


def error_form(problem: HTTPException) -> tuple[int, dict[str, str]]:
    """An error as the protocol tells it.

    >>> error_form(Problem(404, "no such model"))
    (404, {'error': 'no such model'})
    """
    return problem.status_code, {"error": problem.detail}


FORMS: dict[str, Form] = {"v2": error_form}


def datatypes(targets: Sequence[str]) -> dict[str, str]:
    """The tensors that a model gives.

    >>> datatypes(["group"])
    {'group': 'BYTES', 'group_probability': 'FP64', 'group_decision': 'BYTES'}
    """
    parts = {"": "BYTES", "_probability": "FP64", "_decision": "BYTES"}
    return {f"{target}{part}": kind for target in targets for part, kind in parts.items()}


async def asked_of(request: Request) -> InferIn:
    """The request; Problem 400 where it is none, and 415 where it says that it is something else.

    NVIDIA's client names no type, or that of bytes, and may put its data behind the JSON.
    """
    told = request.headers.get("content-type", OCTETS)
    if told != OCTETS and not is_json(told):
        raise Problem(415, "send JSON, with `Content-Type: application/json`")
    head, tail = split(await request.body(), request.headers.get(HEADER))
    try:
        asked = InferIn.model_validate(read_json(head, unreadable=400))
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False)
        raise Problem(400, invalid(faults, ["body"]).detail) from None
    for number, tensor in enumerate(asked.inputs):
        if tensor.data is None:
            size = (tensor.parameters or {}).get("binary_data_size")
            tensor.data, tail = texts_in(tail, size, f"body.inputs.{number}.data")
    if tail:
        raise Problem(400, f"{len(tail)} bytes more came than the tensors have")
    return asked


def outputs_of(asked: Sequence[OutputIn] | None, known: Mapping[str, str]) -> list[str]:
    """The outputs that are asked for, each once; all where none is named."""
    names = list(dict.fromkeys(one.name for one in asked or ()))
    if unknown := [name for name in names if name not in known]:
        misfit("outputs", f"wanted some of {listed(known)}, got {listed(unknown)}")
    return names or list(known)


def columns_of(inputs: Sequence[InputIn], names: Sequence[str]) -> dict[str, list[str]]:
    """The texts that the model reads; a column that did not come is empty.

    >>> columns_of([InputIn(name="title", shape=[1], datatype="BYTES", data=["vpn"])], ["title"])
    {'title': ['vpn']}
    """
    came = [one.name for one in inputs]
    if not came or set(came) - set(names) or len(set(came)) < len(came):
        misfit("inputs", f"wanted each of {', '.join(names)} at most once, got {listed(came)}")
    columns = {one.name: texts_of(one) for one in inputs}
    lengths = {len(texts) for texts in columns.values()}
    if len(lengths) > 1 or lengths == {0}:
        misfit("inputs", f"wanted as many texts in each, 1 or more, got {sorted(lengths)}")
    (n_tickets,) = lengths
    return {name: columns.get(name, [""] * n_tickets) for name in names}


def texts_of(tensor: InputIn) -> list[str]:
    """The texts of a tensor, of shape [n] or [n, 1]; its data may be nested or flat."""
    where = f"inputs.{tensor.name}"
    if tensor.datatype != "BYTES":
        misfit(where, f"wanted the datatype BYTES, got {listed([tensor.datatype])}")
    n_texts = tensor.shape[0] if tensor.shape else 0
    if tensor.shape not in ([n_texts], [n_texts, 1]):
        misfit(where, f"wanted the shape [n] or [n, 1], got {len(tensor.shape)} dimensions")
    data = [
        one[0] if tensor.shape[1:] and isinstance(one, list) and len(one) == 1 else one
        for one in tensor.data or ()
    ]
    if len(data) != n_texts:
        misfit(where, f"wanted as many texts as its shape says, {n_texts}, got {len(data)}")
    for number, text in enumerate(data):
        if not isinstance(text, str):
            misfit(f"{where}.data.{number}", f"wanted a string, got {kind(text)}")
    return data


def misfit(where: str, what: str) -> NoReturn:
    """The request is one, but not one for this model."""
    raise Problem(422, f"{where}: {what}")
