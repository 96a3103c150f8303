"""The command line as a user meets it: what it prints, and its one line when something is wrong."""

import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from pipelines.__main__ import main
from tests import endpoint
from tests.desk import table, wave, with_fault

START, DAY = datetime(2026, 1, 5, tzinfo=UTC), timedelta(days=1)
HERE = Path(__file__).parent.parent
TICKETS = [("1", "2026-01-05 09:00", "printer jam"), ("2", "2026-01-05 10:00", "vpn down")]
CHILD = """
import resource, sys
from pipelines.__main__ import main
sys.argv = ["forewarn", "--help"]
try:
    main()
finally:
    used = resource.getrusage(resource.RUSAGE_SELF)
    heavy = {"numpy", "pandas", "sqlalchemy", "mlflow", "prefect", "sklearn"} & set(sys.modules)
    print(used.ru_utime + used.ru_stime, *sorted(heavy), file=sys.stderr)
"""


@pytest.fixture
def tickets(tmp_path):
    return table(tmp_path / "t.csv", ("id", "opened_at", "title"), TICKETS)


def test_help_is_quick_and_loads_nothing_heavy():
    ran = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, cwd=HERE)
    seconds, *heavy = ran.stderr.split()
    assert "Triage help-desk tickets" in ran.stdout
    assert not heavy
    assert float(seconds) < 0.5


def test_the_module_is_the_command(tickets, tmp_path):
    command = [sys.executable, "-m", "pipelines", "--home", str(tmp_path / "home")]
    ran = subprocess.run(
        [*command, "ingest", "tickets", str(tickets)], capture_output=True, text=True, cwd=HERE
    )
    assert (ran.returncode, ran.stdout) == (0, "tickets: 2 new, 0 already known\n")
    assert ran.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ("ingest tickets missing.csv", "no such file or folder: missing.csv"),
        ("ingest metrics t.csv", "t.csv has no column for timestamp"),
        ("ingest metrics", "or --prometheus URL --query PROMQL; got neither"),
        ("ingest metrics t.csv --prometheus http://h --query up", "or --prometheus, got both"),
        ("ingest metrics --prometheus http://127.0.0.1:1", "wanted --query beside --prometheus"),
        ("ingest metrics --prometheus h:1 --query up", "Prometheus' address, http://HOST:PORT"),
        ("ingest metrics --prometheus http://127.0.0.1:1 --query up", "no Prometheus answers at"),
        ("ingest metrics --prometheus http://h --query up --since week", "a time span such as"),
        ("ingest tickets empty.csv", "empty.csv is empty"),
        ("ingest tickets t.csv --map title=Summary", "title=Summary: t.csv has no such column"),
        ("ingest tickets t.csv --map Summary", "--map wants OURS=THEIRS"),
        ("ingest tickets t.csv --map titel=title", "titel=title: wanted one of"),
        ("ingest incidents empty.csv", "empty.csv is empty"),
        ("--desk a/b status", "FOREWARN_DESK is 'a/b'"),
        ("--home t.csv/below status", "unable to open database file; see FOREWARN_HOME"),
        ("models promote 7", "no version 7 of 'ticket-it'"),
        ("models rollback", "nothing to roll 'ticket-it' back to"),
        ("score t.csv --out p.csv", "no model 'ticket-it'"),
        ("similar vpn", "no model 'ticket-it'"),
        ("similar", "wanted either TEXT or --id"),
        ("similar vpn --id 1", "wanted either TEXT or --id"),
        ("similar --id 9", "desk 'it' has no ticket '9'"),
        ("detect --until 2999-01-01", "--until wants a time that has passed"),
        (
            "deliver",
            "wanted FOREWARN_ALERTMANAGER_URL, FOREWARN_WEBHOOK_URL or a desk's address",
        ),
        ("deliver --test --follow", "wanted one of --follow, --test and --flow"),
        ("detect --follow --flow", "--follow goes on by itself"),
        ("replay metrics t.csv --out o", "t.csv has no column for timestamp"),
        ("replay metrics t.csv --out o --budget 0", "the budget must be above 0"),
        ("replay metrics t.csv", "--out wants a folder for the scores of t.csv"),
        ("replay metrics", "desk 'it' has no metric points yet"),
        ("replay metrics --chart c.pdf", "--chart wants a file ending in .svg, .png, .html"),
        ("replay metrics --incidents none.csv", "no such file: none.csv"),
        ("replay metrics --incidents empty.csv", "empty.csv is empty"),
        (
            "replay metrics --incidents bad.csv",
            "bad.csv, line 2: onset_at is no time that can be read",
        ),
        ("expire", "wanted --days or FOREWARN_RETENTION_DAYS"),
        ("backup home", "wanted a folder that does not exist yet"),
        ("flows", "wanted PREFECT_API_URL"),
        ("keys create --scope all", "scopes must be one or more of"),
        ("keys revoke nobody", "no key 'nobody'"),
        ("erase ticket 9 --source desk", "desk 'it' has no ticket '9' from 'desk'"),
        ("erase requester ada@example.com", "has no ticket of that requester"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(forewarn, tickets, tmp_path, arguments, wanted):
    (tmp_path / "empty.csv").touch()
    table(tmp_path / "bad.csv", ("title", "onset_at"), [("slow", "last week")])
    (tmp_path / "home").mkdir()
    code, out, err = forewarn(*arguments.split())
    assert (code, out) == (2, "")
    assert re.fullmatch(r"forewarn: [^\n]+\n", err)
    assert wanted in err
    assert "ada@example.com" not in err


@pytest.mark.parametrize(
    ("variable", "value", "wanted"),
    [
        ("FOREWARN_ALERTMANAGER_URL", "am:ada@example.com", "FOREWARN_ALERTMANAGER_URL cannot be"),
        ("FOREWARN_WEBHOOK_URL", "http://ada@example.com:x", "wanted an address such as https://"),
        ("FOREWARN_STEP_SECONDS", "soon", "FOREWARN_STEP_SECONDS is 'soon'"),
        ("FOREWARN_LOG_LEVEL", "loud", "FOREWARN_LOG_LEVEL is 'loud'"),
        ("FOREWARN_DATABASE_URL", "mysql://me:secret@x/y", "FOREWARN_DATABASE_URL cannot be read"),
        (
            "FOREWARN_DATABASE_URL",
            "postgresql+psycopg://me:secret@127.0.0.1:1/x",
            "the database refused: connection failed",
        ),
    ],
)
def test_a_setting_that_does_not_work_is_said_in_one_line(
    forewarn, monkeypatch, variable, value, wanted
):
    monkeypatch.setenv(variable, value)
    code, out, err = forewarn("status")
    assert (code, out) == (2, "")
    assert re.fullmatch(r"forewarn: [^\n]+\n", err)
    assert wanted in err
    assert "secret" not in err


def test_a_file_that_is_no_database_is_said_in_one_line(forewarn, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "forewarn.db").write_text("these are not the rows you are looking for\n")
    code, _, err = forewarn("status")
    assert (code, err.count("\n")) == (2, 1)
    assert "the database refused: file is not a database" in err


def test_a_desks_past_is_told_for_each_budget_and_as_json_alone(forewarn, tmp_path, monkeypatch):
    monkeypatch.setenv("FOREWARN_STEP_SECONDS", "900")
    points = with_fault(wave(START, 10), START + 8 * DAY, 3)
    at = np.datetime_as_string(points.at.astype("datetime64[s]"))
    table(tmp_path / "cpu.csv", ("timestamp", "value"), zip(at, points.values, strict=True))
    known = [("slow", START + 8 * DAY), ("also slow", "once")]
    table(tmp_path / "known.csv", ("title", "onset_at"), known)
    forewarn("ingest", "metrics", "cpu.csv")
    code, out, err = forewarn("replay", "metrics", "--incidents", "known.csv", "--budget", "3")
    assert (code, err) == (0, "")
    assert re.search(r"│ 3 ◂ +│ +\d │ \d\.\d \(.+ 1/1: 100% \(21–100\)", out)
    assert re.search(r"2026-01-13 00:\d\d .+ cpu is .+ \(slow\)\n", out)
    assert ": left out, 1 kept\n" in out
    assert "! known.csv, line 3: onset_at is no time" in out
    assert "Chart: home/replay/it/replay.svg\nOn the ops page: /ops/replay\n" in out
    code, out, err = forewarn("replay", "metrics", "--json", "--chart", "a.html", "--out", "o")
    assert [one["budget"] for one in json.loads(out)["budgets"]] == [0.5, 1, 2, 4, 8]
    assert {path.name for path in (tmp_path / "o").iterdir()} == {"replay-alerts.csv"}
    assert (tmp_path / "a.html").exists()


def test_debugging_shows_where_it_happened(forewarn, monkeypatch):
    monkeypatch.setenv("FOREWARN_LOG_LEVEL", "debug")
    monkeypatch.setattr(sys, "argv", ["forewarn", "ingest", "tickets", "missing.csv"])
    with pytest.raises(ValueError, match=r"missing\.csv"):
        main()


def test_rows_that_were_refused_are_told_with_their_reasons(forewarn, tmp_path):
    rows = [*TICKETS, ("3", "one day", "email from bob@example.com")]
    table(tmp_path / "t.csv", ("id", "opened_at", "title"), rows)
    code, out, _ = forewarn("ingest", "tickets", "t.csv")
    assert code == 0
    assert "tickets: 2 new, 0 already known\n" in out
    assert "1 rows refused: opened_at" in out
    assert "home/rejects/t.csv.jsonl" in out
    assert "bob@" not in out
    assert forewarn("ingest", "tickets", "t.csv")[1].startswith("tickets: 0 new, 2 already known")


def test_a_key_is_shown_once_and_can_be_revoked(forewarn):
    _, token, _ = forewarn("keys", "create", "--scope", "score", "--note", "Zendesk")
    key_id, _, secret = token.strip().partition(".")
    listed = forewarn("keys", "list")[1]
    assert key_id in listed
    assert "Zendesk" in listed
    assert secret not in listed
    assert forewarn("keys", "revoke", key_id)[0] == 0
    assert "revoked" in forewarn("keys", "list")[1]


def test_similar_tickets_are_shown_with_what_became_of_them(forewarn, tmp_path):
    endpoint.promote(tmp_path / "home", endpoint.train(tmp_path / "model"), "1", desk="it")
    _, _, err = forewarn("similar", "vpn")
    assert "desk 'it' has no tickets" in err
    columns = ("id", "opened_at", "closed_at", "title", "group", "resolution")
    rows = [
        ("1", "2026-01-05", "2026-01-06", "my vpn slow", "net", "restarted it"),
        ("2", "2026-01-05", "", "vpn slow", "", ""),
        ("3", "2026-01-05", "", "Slow VPN", "", ""),
    ]
    table(tmp_path / "t.csv", columns, rows)
    forewarn("ingest", "tickets", "t.csv")
    told = forewarn("similar", "vpn slow", "--k", "1")[1]
    past, same = told.split("Open tickets that say the same")
    assert re.search(
        r"1  my vpn slow +│ +[01]\.\d\d │ 2026-01-06 │ +group net │ +restarted it", past
    )
    assert re.findall(r"([23])  .* 1\.00", same) == ["2", "3"]
    assert "2  vpn slow" not in forewarn("similar", "--id", "2")[1]
    table(tmp_path / "u.csv", columns, rows)
    forewarn("ingest", "tickets", "u.csv")
    assert "say --source, of t, u" in forewarn("similar", "--id", "2")[2]
    assert forewarn("similar", "--id", "2", "--source", "u")[0] == 0
    assert "No ticket is like this one" in forewarn("similar", "日本")[1]


def test_detect_says_what_it_still_needs(forewarn, tickets):
    forewarn("ingest", "tickets", "t.csv")
    code, out, _ = forewarn("detect")  # where it takes long, its progress is told beside
    assert code == 0
    assert "Metrics learning: 0 series" in out
    assert "it needs 2 weeks of tickets" in out
    assert "No alerts" in out
