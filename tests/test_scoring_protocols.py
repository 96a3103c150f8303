"""The endpoint asked by clients that know nothing of it: MLflow's own, and one of the OIP."""

import json
import struct
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import jsonschema
import pandas as pd
import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow.version import VERSION

import serve
from data.settings import Settings
from data.store import Store
from tests.endpoint import NOW, promote, put_key, serving, train

TICKETS = [
    {"title": "vpn down", "body": "please help"},
    {"title": "old printer", "body": 'it says "ink",\nann@example.org'},
    {"title": "", "body": "größer"},
]
TITLES, BODIES = ([one[name] for one in TICKETS] for name in ("title", "body"))
SPLIT = {"columns": ["body", "title"], "data": [[one["body"], one["title"]] for one in TICKETS]}
JSON = {"Content-Type": "application/json"}
CSV = {"Content-Type": "text/csv"}


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """Two desks, each with its model."""
    home = tmp_path_factory.mktemp("home")
    model = train(home / "trained")
    promote(home, model, "1")
    promote(home, model, "7", desk="hr")
    return home


def key_of(home, *scopes, desks=("default",)):
    store = Store(Settings(home=home).database_url)
    token = put_key(store, *scopes, desks=desks)
    store.close()
    return token


def client_of(home, token=None, **changed):
    app = serve.create_app(Settings(home=home, **changed), now=lambda: NOW, poll_seconds=60)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return TestClient(app, base_url="http://127.0.0.1:8000", headers=headers)


@pytest.fixture(scope="module")
def client(home):
    with client_of(home, key_of(home, "score")) as client:
        yield client


@pytest.fixture(scope="module")
def server(home):
    """A uvicorn that asks nobody on this machine for a key: MLflow's client can send none."""
    with serving(home, FOREWARN_OPEN_LOOPBACK="yes") as url:
        yield url


def natively(client, tickets=TICKETS):
    """What our own protocol says of tickets, in the words of the others."""
    answer = client.post("/v1/tickets/score", json=tickets).json()
    return [
        {
            "group": one["targets"]["group"]["label"],
            "group_probability": one["targets"]["group"]["probability"],
            "group_decision": one["targets"]["group"]["decision"],
        }
        for one in answer["results"]
    ]


# MLflow


@pytest.fixture(scope="module")
def mlflow_client(server):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow warns of its own type hints
        from mlflow.pyfunc.scoring_server.client import ScoringServerClient
    return ScoringServerClient(*server.removeprefix("http://").split(":"))


def test_mlflows_own_client_is_answered(mlflow_client, client):
    mlflow_client.ping()
    assert mlflow_client.get_version() == VERSION
    answer = mlflow_client.invoke(pd.DataFrame(TICKETS), params={"seed": 1})
    assert answer.get_predictions().to_dict("records") == natively(client)
    assert (answer["model_name"], answer["model_version"]) == ("ticket-default", "1")


def test_a_missing_value_of_pandas_is_a_missing_text(mlflow_client, client):
    frame = pd.DataFrame({"title": ["vpn down", None], "body": [float("nan"), "old printer"]})
    assert mlflow_client.invoke(frame)["predictions"] == natively(
        client, [{"title": "vpn down"}, {"body": "old printer"}]
    )


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": SPLIT},
        {"dataframe_split": {**SPLIT, "index": [0, 1, 2]}, "params": {"anything": 1}},
        {"dataframe_records": [{**one, "opened": 5} for one in TICKETS]},
        {"instances": TICKETS},
        {"inputs": {"title": TITLES, "body": BODIES}, "params": None},
    ],
    ids=["split", "split with an index", "records with a column more", "instances", "inputs"],
)
def test_each_json_form_is_scored_as_by_our_own_protocol(client, body):
    answer = client.post("/invocations", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "predictions": natively(client),
        "model_name": "ticket-default",
        "model_version": "1",
        "request_id": answer.headers["x-request-id"],
    }


@pytest.mark.parametrize("form", ["instances", "inputs"])
def test_plain_texts_are_the_first_column(client, form):
    told = client.post("/invocations", json={form: ["vpn down", "old printer"]}).json()
    assert told["predictions"] == natively(
        client, [{"title": "vpn down"}, {"title": "old printer"}]
    )


@pytest.mark.parametrize("kind", ["text/csv", "text/csv; charset=UTF-8"])
def test_a_table_as_pandas_writes_it_is_scored(client, kind):
    table = pd.DataFrame(TICKETS).to_csv()  # with an index, line breaks and quotes
    answer = client.post("/invocations", content=table, headers={"Content-Type": kind})
    assert answer.json()["predictions"] == natively(client)


BAD = {
    "no JSON": ("{", "not JSON: "),
    "a list": ("[]", "exactly one of dataframe_split, dataframe_records, instances, inputs"),
    "none of the forms": ('{"tickets": []}', "got tickets"),
    "two forms": ('{"inputs": ["x"], "instances": ["x"]}', "got inputs, instances"),
    "params": ('{"inputs": ["x"], "params": [1]}', "params: wanted an object, got a list"),
    "no ticket": ('{"inputs": []}', "inputs: wanted at least one ticket"),
    "a number": ('{"inputs": [{"title": 7}]}', "inputs.0.title: wanted a string, got a number"),
    "a text in records": ('{"dataframe_records": ["x"]}', "dataframe_records.0: wanted an object"),
    "other columns": ('{"inputs": [{"text": "x"}]}', "columns title, body, got only text"),
    "uneven": ('{"inputs": {"title": ["x"], "body": []}}', "columns of one length, got [0, 1]"),
    "no data": ('{"dataframe_split": {"columns": []}}', "columns and data, got columns"),
    "a short row": (
        '{"dataframe_split": {"columns": ["title", "body"], "data": [["x"]]}}',
        "dataframe_split.data.0: wanted a list of 2 values, as there are columns, got 1",
    ),
    "a column twice": (
        '{"dataframe_split": {"columns": ["title", "title"], "data": []}}',
        "title stands there more than once",
    ),
    "half a character": ('{"inputs": ["\\ud800"]}', "not JSON"),
    "too deep": ("[" * 100_000, "not JSON"),
    "too large a number": ('{"inputs": [' + "9" * 5000 + "]}", "not JSON"),
}


def check_mlflow_error(answer, status, code, message):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    told = answer.json()
    assert set(told) == {"error_code", "message"}
    assert told["error_code"] == code
    assert message in told["message"]


@pytest.mark.parametrize(("body", "message"), BAD.values(), ids=BAD)
def test_a_body_that_is_wrong_is_told_what_was_wanted_and_what_came(client, body, message):
    answer = client.post("/invocations", content=body, headers=JSON)
    check_mlflow_error(answer, 400, "BAD_REQUEST", message)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("", "wanted a header"),
        ("title,body\n", "wanted at least one ticket"),
        ("title,body\na,b\n\nc\n", "line 4: wanted 2 fields, as in the header, got 1"),
        ('title\n"a" b\n', "line 2"),
        ("title,title\na,b\n", "title stands there more than once"),
        ("title\nä".encode("latin-1"), "not UTF-8 from byte 6 on"),
    ],
    ids=["nothing", "no ticket", "a short line", "a quote", "a column twice", "latin-1"],
)
def test_a_table_that_is_wrong_is_told_where(client, table, message):
    check_mlflow_error(
        client.post("/invocations", content=table, headers=CSV), 400, "BAD_REQUEST", message
    )


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/json; charset=latin-1", "text/csv; header=absent"]
)
def test_another_type_is_415(client, kind):
    answer = client.post("/invocations", content=b"{}", headers={"Content-Type": kind})
    check_mlflow_error(answer, 415, "BAD_REQUEST", "")


def test_no_error_repeats_a_ticket(client):
    for body in (
        {"my secret": 1},
        {"inputs": [{"my secret": "my secret", "title": ["my secret"]}]},
    ):
        assert "secret" not in client.post("/invocations", json=body).text
    assert "secret" not in client.post("/invocations", content="my secret\nx", headers=CSV).text


def test_who_may_not_score_hears_it_in_mlflows_words(home):
    body = {"inputs": ["vpn down"]}
    with client_of(home) as stranger:
        assert stranger.get("/ping").content == stranger.get("/health").content == b"\n"
        check_mlflow_error(
            stranger.post("/invocations", json=body), 401, "UNAUTHENTICATED", "no key"
        )
        check_mlflow_error(stranger.get("/invocations"), 405, "BAD_REQUEST", "only POST")
    with client_of(home, key_of(home, "read")) as reader:
        check_mlflow_error(
            reader.post("/invocations", json=body), 403, "PERMISSION_DENIED", "score"
        )
    with client_of(home, key_of(home, "score")) as other:
        answer = other.post("/invocations", json=body, params={"desk": "hr"})
        check_mlflow_error(answer, 403, "PERMISSION_DENIED", "default")


def test_the_desk_is_that_of_the_key_or_asked_for(home):
    body = {"inputs": ["vpn down"]}
    with client_of(home, key_of(home, "score", desks=("hr",))) as hr:
        assert hr.post("/invocations", json=body).json()["model_version"] == "7"
    with client_of(home, key_of(home, "score", desks=("*",))) as every:
        assert every.post("/invocations", json=body).json()["model_version"] == "1"
        asked = every.post("/invocations", json=body, params={"desk": "hr"}).json()
        assert asked["model_name"] == "ticket-hr"
        answer = every.post("/invocations", json=body, params={"desk": "no desk"})
        check_mlflow_error(answer, 400, "BAD_REQUEST", "query.desk")


def test_too_much_at_once_is_refused_in_each_protocols_words(home):
    with client_of(home, key_of(home, "score"), max_batch=2, max_body_bytes=500) as client:
        for body in ({"inputs": ["a", "b", "c"]}, {"inputs": ["a" * 600]}):
            answer = client.post("/invocations", json=body)
            check_mlflow_error(answer, 413, "BAD_REQUEST", "FOREWARN_MAX")
        for n, text in ((3, "a"), (1, "a" * 600)):
            answer = client.post(INFER, json={"inputs": [tensor("title", [text] * n)]})
            assert answer.status_code == 413
            check("error", answer)


def test_where_nothing_is_served_nobody_is_told_that_it_is_ready(tmp_path):
    key = key_of(tmp_path, "score")
    with client_of(tmp_path, key) as client:
        for path in ("/ping", "/health"):
            check_mlflow_error(client.get(path), 503, "TEMPORARILY_UNAVAILABLE", "no model yet")
        answer = client.post("/invocations", json={"inputs": ["vpn"]})
        check_mlflow_error(answer, 503, "TEMPORARILY_UNAVAILABLE", "no model yet")
        assert client.get("/v2/health/live").json() == {"live": True}
        assert client.get("/v2/health/ready").status_code == 503
        check("error", client.get("/v2/health/ready"))
        assert client.get("/v2/models/ticket-default/ready").status_code == 404


# Open Inference Protocol: the schemas of its specification, open_inference_rest.yaml

STRINGS = {"type": "array", "items": {"type": "string"}}
TENSOR = {
    "type": "object",
    "required": ["name", "datatype", "shape"],
    "properties": {
        "name": {"type": "string"},
        "datatype": {"enum": ["BYTES", "FP64"]},
        "shape": {"type": "array", "items": {"type": "integer"}},
        "parameters": {"type": "object"},
    },
}
DATA = {"type": "array", "items": {"type": ["number", "string", "boolean"]}}
SCHEMAS = {
    "server": {
        "type": "object",
        "required": ["name", "version", "extensions"],
        "properties": {
            "name": {"type": "string"},
            "version": {"type": "string"},
            "extensions": STRINGS,
        },
    },
    "live": {
        "type": "object",
        "required": ["live"],
        "properties": {"live": {"type": "boolean"}},
    },
    "model_ready": {
        "type": "object",
        "required": ["name", "ready"],
        "properties": {"name": {"type": "string"}, "ready": {"type": "boolean"}},
    },
    "model": {
        "type": "object",
        "required": ["name", "platform", "inputs", "outputs"],
        "properties": {
            "name": {"type": "string"},
            "versions": STRINGS,
            "platform": {"type": "string"},
            "inputs": {"type": "array", "items": TENSOR},
            "outputs": {"type": "array", "items": TENSOR},
        },
    },
    "infer": {
        "type": "object",
        "required": ["model_name", "outputs"],
        "properties": {
            "model_name": {"type": "string"},
            "model_version": {"type": "string"},
            "id": {"type": "string"},
            "parameters": {"type": "object"},
            "outputs": {
                "type": "array",
                "items": {
                    **TENSOR,
                    "required": [*TENSOR["required"], "data"],
                    "properties": {**TENSOR["properties"], "data": DATA},
                },
            },
        },
    },
    "error": {
        "type": "object",
        "required": ["error"],
        "properties": {"error": {"type": "string", "minLength": 1}},
        "additionalProperties": False,
    },
}
MODEL = "/v2/models/ticket-default"
INFER = f"{MODEL}/infer"


def check(schema, answer):
    """What came, which the specification allows."""
    assert answer.headers["content-type"] == "application/json"
    jsonschema.validate(answer.json(), SCHEMAS[schema])
    return answer.json()


def tensor(name, data, shape=None, datatype="BYTES"):
    return {"name": name, "shape": shape or [len(data)], "datatype": datatype, "data": data}


@dataclass
class OipClient:
    """A client that knows the specification and an address, and nothing of ours."""

    url: str
    headers: dict[str, str] = field(default_factory=dict)

    def get(self, path, schema):
        answer = httpx.get(f"{self.url}/v2{path}", headers=self.headers)
        return check(schema if answer.is_success else "error", answer)

    def infer(self, model, inputs, **told):
        """Of each output its name and its values, after all that the protocol promises."""
        body = {"id": "42", "inputs": inputs, **told}
        url = f"{self.url}/v2/models/{model}/infer"
        answer = httpx.post(url, json=body, headers=self.headers)
        said = check("infer", answer.raise_for_status())
        assert said["id"] == "42"
        for out in said["outputs"]:
            assert out["shape"] == [len(out["data"])]
            kind = {"BYTES": str, "FP64": float}[out["datatype"]]
            assert all(isinstance(value, kind) for value in out["data"])
        return {out["name"]: out["data"] for out in said["outputs"]}


def test_where_the_model_abstains_no_label_is_invented(tmp_path):
    guesswork = train(tmp_path / "guesswork", [f"g{i // 6 % 9}" for i in range(240)])
    promote(tmp_path, guesswork, "1")
    with client_of(tmp_path, key_of(tmp_path, "score")) as client:
        (row,) = client.post("/invocations", json={"inputs": ["vpn"]}).json()["predictions"]
        told = check("infer", client.post(INFER, json={"inputs": [tensor("title", ["vpn"])]}))
    assert (row["group"], row["group_decision"]) == (None, "abstain")
    said = {one["name"]: one["data"] for one in told["outputs"]}
    assert (said["group"], said["group_decision"]) == ([""], ["abstain"])
    assert said["group_probability"] == [row["group_probability"]]


def test_a_client_of_the_protocol_finds_its_way(home, server, client):
    """From what the server is, by what a model reads, to what it says of tickets."""
    headers = {"Authorization": f"Bearer {key_of(home, 'score')}"}
    oip = OipClient(server, headers)
    assert oip.get("", "server")["name"] == oip.get("/", "server")["name"] == "forewarn"
    assert oip.get("/health/live", "live")["live"]
    assert oip.get("/health/ready", "live")["live"]
    model = oip.get("/models/ticket-default", "model")
    name, version = model["name"], model["versions"][-1]
    assert oip.get(f"/models/{name}/versions/{version}/ready", "model_ready")["ready"]
    read = [one["name"] for one in model["inputs"]]
    inputs = [tensor(column, [one[column] for one in TICKETS]) for column in read]
    wanted = natively(client)
    for asked in (name, f"{name}/versions/{version}"):
        said = oip.infer(asked, inputs)
        assert list(said) == [one["name"] for one in model["outputs"]]
        for output, values in said.items():
            assert values == [one[output] or "" for one in wanted]


@pytest.mark.parametrize(
    ("shape", "data"),
    [([2], ["vpn", "ink"]), ([2, 1], ["vpn", "ink"]), ([2, 1], [["vpn"], ["ink"]])],
    ids=["n", "n by 1", "nested"],
)
def test_a_column_may_be_flat_or_nested(client, shape, data):
    outputs = [{"name": "group_decision"}, {"name": "group"}]
    body = {"inputs": [tensor("title", data, shape)], "outputs": outputs}
    told = check("infer", client.post(INFER, json=body))
    assert [one["name"] for one in told["outputs"]] == ["group_decision", "group"]
    assert "id" not in told
    wanted = natively(client, [{"title": "vpn"}, {"title": "ink"}])
    assert told["outputs"][0]["data"] == [one["group_decision"] for one in wanted]


GOOD = tensor("title", ["vpn down"])
MISFITS = {
    "no JSON": ("{", 400, "not JSON"),
    "a list": ([], 400, "body"),
    "no inputs": ({"id": "1"}, 400, "body.inputs"),
    "no data": ({"inputs": [{**GOOD, "data": None}]}, 400, "body.inputs.0.data: wanted a list"),
    "no shape": ({"inputs": [{**GOOD, "shape": None}]}, 400, "body.inputs.0.shape"),
    "a number as its id": ({"id": 1, "inputs": [GOOD]}, 400, "body.id"),
    "no tensor": ({"inputs": []}, 422, "wanted each of title, body at most once, got none"),
    "unknown": ({"inputs": [tensor("text", ["x"])]}, 422, "got text"),
    "twice": ({"inputs": [GOOD, GOOD]}, 422, "got title, title"),
    "datatype": ({"inputs": [{**GOOD, "datatype": "FP32"}]}, 422, "BYTES, got FP32"),
    "shape": ({"inputs": [{**GOOD, "shape": [1, 2]}]}, 422, "inputs.title: wanted the shape"),
    "too few": ({"inputs": [{**GOOD, "shape": [3]}]}, 422, "as its shape says, 3, got 1"),
    "uneven": ({"inputs": [GOOD, tensor("body", ["a", "b"])]}, 422, "in each, 1 or more"),
    "empty": ({"inputs": [tensor("title", [], [0])]}, 422, "1 or more"),
    "a number": ({"inputs": [tensor("title", [7])]}, 422, "title.data.0: wanted a string"),
    "an output": ({"inputs": [GOOD], "outputs": [{"name": "vip"}]}, 422, "got vip"),
}


@pytest.mark.parametrize(("body", "status", "message"), MISFITS.values(), ids=MISFITS)
def test_a_request_that_does_not_fit_is_told_why(client, body, status, message):
    body = body if isinstance(body, str) else json.dumps(body)
    answer = client.post(INFER, content=body, headers=JSON)
    assert answer.status_code == status
    assert message in check("error", answer)["error"]


def test_what_says_that_it_is_no_json_is_415(client):
    answer = client.post(INFER, content=b"{}", headers=CSV)
    assert answer.status_code == 415
    check("error", answer)


def packed(texts):
    """As NVIDIA's client packs them: each text behind its length."""
    texts = [text.encode() for text in texts]
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def in_bytes(name, data):
    return {
        "name": name,
        "shape": [len(data)],
        "datatype": "BYTES",
        "parameters": {"binary_data_size": len(packed(data))},
    }


def behind(client, body, tail, **headers):
    """Posted as that client does: no type, the JSON's length, the data of tensors behind it."""
    head = json.dumps(body).encode()
    length = {"Inference-Header-Content-Length": str(len(head))}
    return client.post(INFER, content=head + tail, headers=length | headers)


def test_data_behind_the_json_are_read_and_no_type_need_be_told(client):
    asked = {"parameters": {"binary_data_output": True}}
    body = {"inputs": [in_bytes("title", TITLES), in_bytes("body", BODIES)], **asked}
    told = check("infer", behind(client, body, packed(TITLES) + packed(BODIES)))
    plain = {"inputs": [tensor("title", TITLES), tensor("body", BODIES)]}
    untyped = client.post(INFER, content=json.dumps(plain).encode())
    assert "content-type" not in untyped.request.headers
    octets = {"Content-Type": "application/octet-stream"}  # as its asynchronous sister says
    assert told == check("infer", untyped) == check("infer", behind(client, plain, b"", **octets))
    assert told["outputs"][0]["data"] == [one["group"] or "" for one in natively(client)]


@pytest.mark.parametrize(
    ("size", "tail", "message"),
    [
        (7, b"\3\0\0\0", "a binary_data_size that fits"),
        (-1, packed(["vpn"]), "a binary_data_size that fits"),
        ("7", packed(["vpn"]), "a binary_data_size that fits"),
        (7, packed(["vpn!"])[:7], "its last text is longer"),
        (2, b"\1\0", "its last text is longer"),
        (7, packed(["vpn"]) + b"?", "1 bytes more came"),
        (5, b"\1\0\0\0\xff", "inputs.0.data.0: wanted UTF-8"),
    ],
    ids=["too few", "negative", "a string", "cut", "half a length", "too many", "no UTF-8"],
)
def test_bytes_that_are_no_texts_are_refused(client, size, tail, message):
    one = {**in_bytes("title", ["vpn"]), "parameters": {"binary_data_size": size}}
    answer = behind(client, {"inputs": [one]}, tail)
    assert answer.status_code == 400
    assert message in check("error", answer)["error"]


@pytest.mark.parametrize("length", ["", "-1", "x", "9" * 30, "1000"])
def test_a_length_that_no_json_can_have_is_refused(client, length):
    answer = client.post(INFER, content=b"{}", headers={"Inference-Header-Content-Length": length})
    assert answer.status_code == 400
    check("error", answer)


@pytest.mark.parametrize(
    "name",
    [
        "ticket-hr",
        "ticket-nobody",
        "default",
        "..%2f..%2fetc%2fpasswd",
        "ticket-default%2f..%2fticket-hr",
        "%00",
        "x" * 5000,
    ],
    ids=["another's", "unknown", "a desk", "up", "over", "NUL", "long"],
)
def test_a_model_that_is_not_ones_own_is_not_there(client, name):
    answers = [
        client.get(f"/v2/models/{name}"),
        client.get(f"/v2/models/{name}/ready"),
        client.get(f"/v2/models/{name}/versions/7"),
        client.post(f"/v2/models/{name}/infer", json={"inputs": [GOOD]}),
    ]
    for answer in answers:
        assert answer.status_code == 404
        assert len(check("error", answer)["error"]) < 200


def test_another_version_is_not_there_and_the_served_one_is_named(client):
    for answer in (
        client.get(f"{MODEL}/versions/2"),
        client.get(f"{MODEL}/versions/2/ready"),
        client.post(f"{MODEL}/versions/2/infer", json={"inputs": [GOOD]}),
    ):
        assert answer.status_code == 404
        assert "version 1 is served" in check("error", answer)["error"]


def test_a_model_that_could_not_be_loaded_is_503_for_its_own_desk(tmp_path, home):
    promote(tmp_path, home / "trained", "1")
    (kept,) = tmp_path.glob("models/ticket-default/**/triage.json")
    kept.write_text("{}")
    for desk, status in (("default", 503), ("hr", 404)):
        with client_of(tmp_path, key_of(tmp_path, "score", desks=(desk,))) as client:
            answer = client.get(f"{MODEL}/ready")
        assert answer.status_code == status
        check("error", answer)


def test_without_a_key_nothing_is_said_of_a_model(home):
    with client_of(home) as stranger:
        assert stranger.get("/v2").status_code == 200
        for path in (MODEL, "/v2/models/nobody"):
            answer = stranger.get(path)
            assert answer.status_code == 401
            check("error", answer)


# Both


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["title", "body", "columns", "data", "name", "shape", "datatype"])
            | st.text(max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
FIELDS = ["dataframe_split", "dataframe_records", "instances", "inputs", "params", "outputs", "id"]
BODIES_OF_ALL_KINDS = VALUES | st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=3)


@settings(max_examples=150, deadline=None)
@given(BODIES_OF_ALL_KINDS)
def test_whatever_json_comes_it_is_answered_and_never_our_fault(client, body):
    text = json.dumps(body)
    for path in ("/invocations", INFER):
        answer = client.post(path, content=text, headers=JSON)
        assert answer.status_code in (200, 400, 422), answer.text
        if path == INFER:
            check("infer" if answer.is_success else "error", answer)
        elif not answer.is_success:
            check_mlflow_error(answer, 400, "BAD_REQUEST", "")


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=20), st.integers(-2, 25))
def test_whatever_bytes_come_behind_the_json_they_are_answered(client, tail, size):
    one = {**in_bytes("title", ["vpn"]), "parameters": {"binary_data_size": size}}
    answer = behind(client, {"inputs": [one]}, tail)
    assert answer.status_code in (200, 400, 422), answer.text


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=40) | st.text('title,body"\n\r \0', max_size=40).map(str.encode))
def test_whatever_bytes_come_as_a_table_they_are_answered(client, table):
    answer = client.post("/invocations", content=b"title,body\n" + table, headers=CSV)
    assert answer.status_code in (200, 400), answer.text
