"""Two hundred tickets with secrets in them, by every way in: nothing of them is kept anywhere."""

import csv
import html
import io
import json
import logging
import random
import string
import sys
import urllib.parse
import zipfile
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime

import pytest
from fastapi.testclient import TestClient

import serve
from data.masking_digits import luhn
from data.records import Feedback
from data.settings import Settings
from data.store import Store
from models.triage import Triage
from pipelines.__main__ import around, main
from tests.endpoint import put_key

N, COPIES = 200, 4  # a secret that four people write is a word like others to a model
DESK = "it"
THINGS = {
    "network": ["the vpn drops all the time", "wifi in the meeting room is slow"],
    "printing": ["the printer jams", "toner is empty and nobody refills it"],
}


def letters(rng, n, some=string.ascii_letters + string.digits):
    """A run of them with at least a letter and a digit, so that it cannot be a word."""
    return (
        rng.choice(string.ascii_lowercase)
        + rng.choice("23456789")
        + "".join(rng.choices(some, k=n - 2))
    )


def digits(rng, n):
    return rng.choice("123456789") + "".join(rng.choices(string.digits, k=n - 1))


def card(rng):
    start = "4" + digits(rng, 14)
    number = next(start + last for last in string.digits if luhn(start + last))
    return " ".join(number[at : at + 4] for at in range(0, 16, 4))


def iban(rng):
    account = digits(rng, 18)
    check = 98 - int(f"{account}131400") % 97  # D and E are 13 and 14 (ISO 13616)
    return f"DE{check:02}{account}"


def private_key(rng):
    lines = "\n".join(letters(rng, 64) for _ in range(2))
    return f"-----BEGIN RSA PRIVATE KEY-----\n{lines}\n-----END RSA PRIVATE KEY-----"


def upper(rng, n):
    return "".join(rng.choices(string.ascii_uppercase + string.digits, k=n))


KINDS = {  # what makes the secret, and how a ticket says it
    "api key": (lambda rng: letters(rng, 32), "our api_key={} stopped working"),
    "openai key": (lambda rng: f"sk-proj-{letters(rng, 40)}", "it says {} is not valid"),
    "password": (lambda rng: letters(rng, 10), 'my password is {} and I cannot "log in"'),
    "german password": (lambda rng: letters(rng, 10), "Passwort: {}"),
    "card": (card, "I paid with {} yesterday"),
    "iban": (iban, "please refund to {} soon"),
    "bearer": (lambda rng: letters(rng, 40), "curl -H 'Authorization: Bearer {}' fails"),
    "jwt": (
        lambda rng: f"eyJ{letters(rng, 20)}.eyJ{letters(rng, 30)}.{letters(rng, 43)}",
        "the session {} ends at once",
    ),
    "private key": (private_key, "is this the right one?\n{}"),
    "aws id": (lambda rng: f"AKIA{upper(rng, 16)}", "deploys with {} fail"),
    "aws key": (lambda rng: letters(rng, 40), "AWS_SECRET_ACCESS_KEY={}"),
    "url": (lambda rng: letters(rng, 14), "postgresql://app:{}@db.example.com:5432/app refuses"),
    "connection": (lambda rng: letters(rng, 14), "Server=db;User Id=app;Password={};Timeout=5"),
    "e-mail": (lambda rng: f"{letters(rng, 9).lower()}@example.com", "write to {}"),
    "phone": (lambda rng: f"+49 30 {digits(rng, 8)}", "ring {} please"),
    "json": (lambda rng: letters(rng, 12), '{{"user": "app", "password": "{}"}}'),
}


def planted(seed=0):
    """Secrets by kind, and the text of each ticket; each secret stands in four of them."""
    rng, secrets, texts = random.Random(seed), [], []
    for at in range(N // COPIES):
        kind = list(KINDS)[at % len(KINDS)]
        make, says = KINDS[kind]
        secret = make(rng)
        secrets.append((kind, secret))
        texts += [says.format(secret)] * COPIES
    return secrets, texts


def needles(secret):
    """How bytes may spell a secret, in small letters: as it is, in JSON, in HTML, in a URL."""
    lines = [line for line in secret.splitlines() if not line.startswith("-----")]
    solid = [line.replace(" ", "") for line in lines]
    spelt = [f(line) for line in lines for f in (str, html.escape, urllib.parse.quote)]
    spelt += [json.dumps(line)[1:-1] for line in lines] + solid
    joined = ["\\n".join(lines), "\\\\n".join(lines)]
    return {one.lower().encode() for one in (*spelt, *joined)}


def found_in(content, secrets):
    small = content.lower()
    return sorted({kind for kind, one in secrets if any(s in small for s in needles(one))})


def contents(path):
    """A file's bytes, and those of what is packed in it."""
    content = path.read_bytes()
    if not zipfile.is_zipfile(io.BytesIO(content)):
        return content
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        return b"\n".join([content, *(packed.read(name) for name in packed.namelist())])


def files(folder):
    return {str(path.relative_to(folder)): contents(path) for path in folder.rglob("*")
            if path.is_file()}  # fmt: skip


def write_tickets(path, texts, when="2026-01-{day:02} 09:{minute:02}"):
    """Every ninth ticket has its secret in the title, the others in the body."""
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["id", "opened_at", "title", "body", "category", "requester"])
        for row, text in enumerate(texts):
            kind = list(THINGS)[row // COPIES % 2 if row % 2 else row % 4 // 2]
            thing = THINGS[kind][row % 2]
            said = (text, thing) if row % 9 == 0 else (thing, f"{thing}: {text}")
            at = when.format(day=1 + row // 60 % 28, minute=row % 60)
            out.writerow([f"T{row}", at, *said, kind, f"person{row}@example.com"])
    return path


class Place:
    """One installation, and all that it said."""

    def __init__(self, folder, patch):
        self.home, self.folder, self.patch = folder / "home", folder, patch
        self.said, self.pages, self.answers = io.StringIO(), [], []

    def forewarn(self, *arguments):
        """Run a command; what it ends with."""
        self.patch.setattr(sys, "argv", ["forewarn", *map(str, arguments)])
        with redirect_stdout(self.said), redirect_stderr(self.said):
            try:
                main()
            except SystemExit as ended:
                return ended.code or 0
        return 0

    def ask(self, client, texts):
        """Score all, then provoke an error with each."""
        tickets = [{"title": "vpn", "body": text, "external_id": str(n)}
                   for n, text in enumerate(texts)]  # fmt: skip
        post = client.post
        assert post("/v1/tickets/score?explain=words", json=tickets).status_code == 200
        for text in texts[::COPIES]:
            wrong = [{"title": [text]}, {"tickets": text}, {text: "vpn"}, [text], {"title": 1,
                     "more": text}]  # fmt: skip
            self.answers += [post("/v1/tickets/score", json=body) for body in wrong]
            raw = f'{{"title": "{text}'.encode()
            self.answers.append(post("/v1/tickets/score", content=raw))
            self.answers.append(post("/v1/alerts/1", json={"action": text}))
        self.patch.setattr(Triage, "at_a_glance", broken)
        self.answers += [post("/v1/tickets/score", json={"title": t}) for t in texts[::COPIES]]
        self.patch.undo()

    def look(self, client):
        paths = ("/ops/alerts", "/ops/status", "/metrics", "/v1/models", "/v1/alerts", "/readyz")
        self.pages += [client.get(path).content for path in paths]


def broken(self, fields):
    raise ValueError(f"cannot read {fields}")


@pytest.fixture(scope="module")
def secrets():
    return planted()[0]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Every way in, once."""
    folder, texts = tmp_path_factory.mktemp("secrets"), planted()[1]
    with pytest.MonkeyPatch.context() as patch, pytest.MonkeyPatch.context() as inner:
        settings = Settings(home=folder / "home", desk=DESK)
        patch.setenv("FOREWARN_HOME", str(settings.home))
        patch.setenv("FOREWARN_DESK", DESK)
        for name, value in around(settings).items():
            patch.setenv(name, value)
        place = Place(folder, inner)
        listening = logging.StreamHandler(place.said)
        logging.getLogger().addHandler(listening)
        by_commands(place, texts)
        by_endpoint(place, settings, texts)
        logging.getLogger().removeHandler(listening)
    return place


def by_commands(place, texts):
    tickets = write_tickets(place.folder / "tickets.csv", texts)
    late = write_tickets(place.folder / "late.csv", texts, when="someday")
    torn = place.folder / "torn.csv"
    torn.write_text("\n".join(["opened_at,title", *(f'2026-01-05,"{t}",x,"' for t in texts)]))
    learn = ("train", tickets, "--no-encoder", "--target", "category")
    assert place.forewarn("ingest", "tickets", tickets) == 0
    assert place.forewarn("ingest", "tickets", late) == 0
    place.forewarn("ingest", "tickets", torn)
    with_feedback(place, texts)
    assert place.forewarn("train", "--no-encoder", "--target", "category") == 0
    assert place.forewarn(*learn, "--promote") == 0
    assert place.forewarn("score", tickets, "--out", place.home / "scored.csv") == 0
    assert place.forewarn("audit", tickets, "--target", "category") == 0
    assert place.forewarn("models", "compare") == 0
    assert place.forewarn("status") == 0
    for command in (("score", torn, "--out", place.home / "no.csv"), ("audit", torn)):
        assert place.forewarn(*command, "--target", "category") == 2


def with_feedback(place, texts):
    store = Store(Settings(home=place.home).database_url)
    at = datetime(2026, 2, 1, tzinfo=UTC)
    store.put_feedback([
        Feedback(DESK, "tickets", f"T{row}", "category", "network", at, "ann") for row in range(20)
    ])  # fmt: skip
    store.close()


def by_endpoint(place, settings, texts):
    store = Store(settings.database_url)
    headers = {"Authorization": f"Bearer {put_key(store, 'admin')}"}
    store.close()
    app = serve.create_app(settings)
    told = {"headers": headers, "client": ("127.0.0.1", 5000), "raise_server_exceptions": False}
    with (
        redirect_stdout(place.said),
        redirect_stderr(place.said),
        TestClient(app, "http://127.0.0.1:8000", **told) as client,
    ):
        place.ask(client, texts)
        place.look(client)
        place.kept = files(place.home)  # while it runs: with what has not been written back yet


def test_each_secret_stands_in_what_was_given(place, secrets):
    """Else nothing were proved by not finding it."""
    given = (place.folder / "tickets.csv").read_bytes()
    assert found_in(given, secrets) == sorted(KINDS)
    assert len({one for _, one in secrets}) == N // COPIES


def test_no_secret_is_kept_in_any_file(place, secrets):
    kept = place.kept | files(place.home)
    names = " ".join(kept)
    for name in ("forewarn.db-wal", "mlflow.db", "report.html", "rejects/late.csv.jsonl"):
        assert name in names
    leaks = {name: found for name, content in kept.items() if (found := found_in(content, secrets))}
    assert not leaks


def test_no_secret_is_written_to_the_log_or_the_terminal(place, secrets):
    said = place.said.getvalue()
    assert "tickets: 200 new" in said
    assert not found_in(said.encode(), secrets)


def test_no_secret_stands_on_a_page_or_in_an_error(place, secrets):
    assert {answer.status_code for answer in place.answers} >= {422, 500}
    answers = [answer.content for answer in place.answers]
    assert not found_in(b"\n".join((*place.pages, *answers)), secrets)
