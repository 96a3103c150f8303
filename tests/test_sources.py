import gzip
import json
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from data.sources.files import (
    find_files,
    read_incidents,
    read_points,
    read_table,
    read_tickets,
    unread_columns,
)
from data.sources.rejects import Rejects


def written(path, text, encoding="utf-8"):
    data = text.encode(encoding)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def tickets_of(path, rejects=None, **given):
    lists = read_tickets(path, desk="it", rejects=rejects or Rejects(), **given)
    return [ticket for tickets in lists for ticket in tickets]


def points_of(path, rejects=None, **given):
    parts = list(read_points(path, rejects=rejects or Rejects(), **given))
    return [
        (series, str(at), value)
        for part in parts
        for series, at, value in zip(part.series, part.at, part.values.tolist(), strict=True)
    ]


def entries_of(rejects):
    return [json.loads(line) for line in rejects.path.read_text().splitlines()]


def times_of(tmp_path, *texts, **given):
    """What each time is read as; None where it is rejected."""
    path, rejects = tmp_path / "times.jsonl", Rejects(tmp_path / "bad.jsonl")
    path.write_text("".join(json.dumps({"time": t, "value": 1}) + "\n" for t in texts))
    with rejects:
        found = iter([at for _, at, _ in points_of(path, rejects, **given)])
    bad = set()
    if rejects.n:
        bad = {entry["line"] for entry in entries_of(rejects)}
    return [None if line in bad else next(found) for line in range(1, len(texts) + 1)]


SERVICENOW = """number;sys_created_on;short_description;description;assignment_group;caller;u_site
INC1;2026-01-05 09:00:00;Mail down;"Nothing; not
even ""web"" mail";Messaging;Ann;Bonn
INC2;2026-01-05 10:00:00;VPN;;Network;;Köln
"""


def test_columns_of_a_known_desk_are_recognised(tmp_path):
    path = written(tmp_path / "incident.csv", SERVICENOW)
    first, second = tickets_of(path, hmac_key="k", label_columns=["u_site"])
    assert (first.desk, first.source) == ("it", "incident")
    assert first.external_id == "INC1"
    assert first.opened_at == datetime(2026, 1, 5, 9, tzinfo=UTC)
    assert first.title == "Mail down"
    assert first.body == 'Nothing; not\neven "web" mail'
    assert first.labels == {"group": "Messaging", "u_site": "Bonn"}
    assert len(first.requester) == 32
    assert second.requester is None
    assert second.labels["u_site"] == "Köln"


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"]
)
@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_encodings_are_found(tmp_path, encoding, name):
    path = written(tmp_path / name, SERVICENOW, encoding)
    assert tickets_of(path, label_columns=["u_site"])[1].labels["u_site"] == "Köln"


def test_an_encoding_can_be_given(tmp_path):
    path = written(tmp_path / "t.csv", SERVICENOW, "cp437")
    given = tickets_of(path, label_columns=["u_site"], encoding="cp437")
    assert given[1].labels["u_site"] == "Köln"
    with pytest.raises(ValueError, match="not in utf-8"):
        tickets_of(path, encoding="utf-8")
    with pytest.raises(ValueError, match="unknown encoding 'klingon'"):
        tickets_of(path, encoding="klingon")


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"], ids=["comma", "semicolon", "tab", "bar"])
def test_delimiters_are_found(tmp_path, mark):
    lines = [["timestamp", "value", "series"], ["2026-01-05T00:00Z", "1.5", "cpu"]]
    path = written(tmp_path / "m.csv", "\n".join(mark.join(line) for line in lines))
    assert points_of(path) == [("cpu", "2026-01-05T00:00:00.000", 1.5)]


def test_excel_may_name_the_delimiter(tmp_path):
    path = written(tmp_path / "m.csv", "sep=;\r\ntimestamp;value\r\n2026-01-05;1,5\r\nx;1\r\n")
    rejects = Rejects(tmp_path / "bad.jsonl")
    assert points_of(path, rejects) == [("m", "2026-01-05T00:00:00.000", 1.5)]
    rejects.close()
    assert json.loads((tmp_path / "bad.jsonl").read_text())["line"] == 4


def test_json_lines_with_nested_objects(tmp_path):
    rows = [
        {"key": "A-1", "fields": {"created": "2020-02-17T02:20:08.623+0700", "summary": "Hi"}},
        {"key": "A-2", "fields": {"created": 1581880808623, "summary": None, "priority": "P1"}},
    ]
    for name, text in (
        ("t.jsonl", "\n".join(map(json.dumps, rows))),
        ("t.json", json.dumps(rows, indent=1)),
    ):
        first, second = tickets_of(
            written(tmp_path / name, text),
            mapping={"title": "fields.summary", "priority": "fields.priority"}
            if name == "t.json"
            else {"title": "fields.summary"},
        )
        assert first.title == "Hi"
        assert (
            first.opened_at
            == second.opened_at
            == datetime(2020, 2, 16, 19, 20, 8, 623000, tzinfo=UTC)
        )
        assert second.title == ""


def test_parquet_with_every_kind_of_column(tmp_path):
    frame = pd.DataFrame(
        {
            "time": pd.to_datetime(["2026-01-05T09:00", "2026-01-05T10:00"]).tz_localize(
                "Europe/Berlin"
            ),
            "value": [1.5, None],
            "kpi": pd.Categorical(["cpu", "cpu"]),
        }
    )
    frame.to_parquet(tmp_path / "m.parquet")
    rejects = Rejects()
    assert points_of(tmp_path / "m.parquet", rejects) == [("cpu", "2026-01-05T08:00:00.000", 1.5)]
    assert rejects.reasons == {"value is empty": 1}


def test_unix_seconds_in_parquet_may_be_floats(tmp_path):
    pd.DataFrame({"ts": [1767603600.0], "value": [1]}).to_parquet(tmp_path / "m.parquet")
    assert points_of(tmp_path / "m.parquet") == [("m", "2026-01-05T09:00:00.000", 1.0)]


NINE = "2026-01-05T09:00:00.000"


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-05T09:00:00Z",
        "2026-01-05 09:00:00",
        "2026-01-05 9:00",
        "2026/01/05 09:00",
        "2026-01-05T10:00:00+01:00",
        "2026-01-05T16:00:00.000+0700",
        "2026-01-05 09:00:00,000",
        "2026-01-05 09:00:00 UTC",
        "20260105T090000Z",
        "1767603600",
        "1767603600.0",
        "1767603600000",
        "1767603600000000",
        "1767603600000000000",
        "05.01.2026 09:00",
        "05/Jan/26 09:00",
        "05/Jan/26 9:00 AM",
        "Mon, 05 Jan 2026 10:00:00 +0100",
    ],
)
def test_times_are_read(tmp_path, text):
    assert times_of(tmp_path, text) == [NINE]


@pytest.mark.parametrize("text", ["", "n/a", "soon", "0", "2026-13-01", "2026-02-30", "1899-12-30"])
def test_what_is_no_time_is_rejected(tmp_path, text):
    assert times_of(tmp_path, text) == [None]


def test_naive_times_stand_in_the_zone_given(tmp_path):
    found = times_of(
        tmp_path,
        *("2026-01-05 10:00", "2026-03-29 02:30", "2026-10-25 02:30", "2026-01-05T10:00Z"),
        timezone="Europe/Berlin",
    )
    assert found == [  # in the gap it counts on, of the two it is the first: PEP 495, fold=0
        NINE,
        "2026-03-29T01:30:00.000",
        "2026-10-25T00:30:00.000",
        "2026-01-05T10:00:00.000",
    ]
    with pytest.raises(ValueError, match="wanted a time zone such as"):
        times_of(tmp_path, "2026-01-05", timezone="Mars")


def test_day_or_month_first_is_told_by_the_file(tmp_path):
    assert times_of(tmp_path, "05/01/2026", "31/01/2026")[0] == "2026-01-05T00:00:00.000"
    assert times_of(tmp_path, "01/05/2026", "01/31/2026 9:00 PM") == [
        "2026-01-05T00:00:00.000",
        "2026-01-31T21:00:00.000",
    ]


def test_day_or_month_first_is_never_guessed(tmp_path):
    path = written(tmp_path / "m.csv", "time,value\n05/01/2026 09:00,1\n")
    rejects = Rejects()
    assert points_of(path, rejects) == []
    assert "--time-format" in next(iter(rejects.reasons))
    assert points_of(path, time_format="%d/%m/%Y %H:%M") == [("m", NINE, 1.0)]


def test_order_is_told_by_a_later_chunk(tmp_path):
    lines = "".join(f"0{day}/01/2026,1\n" for day in range(1, 10))
    path = written(tmp_path / "m.csv", f"time,value\n{lines}31/01/2026,1\n")
    found = points_of(path, chunk_rows=3)
    assert [at[:10] for _, at, _ in found][:2] == ["2026-01-01", "2026-01-02"]


def test_values(tmp_path):
    texts = ["1.5", "-2", "1e3", "2,75", "1.234,5", "1,234.5", "1,234", "nan", "inf", "", "n/a"]
    lines = "".join(f'2026-01-05;"{text}"\n' for text in texts)
    rejects = Rejects()
    found = points_of(written(tmp_path / "m.csv", "time;value\n" + lines), rejects)
    assert [value for _, _, value in found] == [1.5, -2.0, 1000.0, 2.75, 1234.5, 1234.5]
    assert rejects.reasons == {
        "value may have a decimal or a thousands comma: write it with a decimal point": 1,
        "value is empty": 3,
        "value is not finite": 1,
    }


BROKEN = """id,created,title,body
1,2026-01-05,fine,"two
lines"
2,2026-01-05,"open,never closed
3,2026-01-05,fine,"x"
4,2026-01-05,too,many,fields
5,2026-01-05
6,yesterday,late,mail ann@example.org
7,2026-01-05,fine,
"""


def test_broken_lines_cost_only_themselves(tmp_path):
    path = written(tmp_path / "t.csv", BROKEN)
    with Rejects(tmp_path / "out" / "bad.jsonl") as rejects:
        assert [ticket.external_id for ticket in tickets_of(path, rejects)] == ["1", "3", "7"]
    entries = entries_of(rejects)
    assert {entry["line"] for entry in entries} == {4, 6, 7, 8}
    assert next(e for e in entries if e["line"] == 8)["field"] == "created"
    assert rejects.n == 4


def test_reject_files_are_private_and_masked(tmp_path):
    path = written(
        tmp_path / "t.csv", "created,reporter,body\nx,Ann Lee,write to ann@example.org\n"
    )
    with Rejects(tmp_path / "bad.jsonl") as rejects:
        tickets_of(path, rejects)
    assert rejects.path.stat().st_mode & 0o777 == 0o600
    text = rejects.path.read_text()
    assert "ann@" not in text
    assert "Ann Lee" not in text
    assert "<email>" in text


def test_no_reject_file_where_nothing_is_rejected(tmp_path):
    with Rejects(tmp_path / "bad.jsonl") as rejects:
        tickets_of(written(tmp_path / "t.csv", SERVICENOW), rejects)
    assert not (tmp_path / "bad.jsonl").exists()


def test_long_texts_are_read(tmp_path):
    log = "line, of a log\n" * 20_000
    path = written(tmp_path / "t.csv", f'id,created,body\n1,2026-01-05,"{log}"\n2,2026-01-05,x\n')
    first, second = tickets_of(path)
    assert first.body == log.strip()
    assert second.external_id == "2"


def test_rows_without_an_id_get_the_same_one_each_time(tmp_path):
    text = "created,category\n2026-01-05,mail\n2026-01-05,mail\n2026-01-06,mail\n"
    path = written(tmp_path / "t.csv", text)
    once = [ticket.external_id for ticket in tickets_of(path)]
    assert len(set(once)) == 3, "equal rows are tickets of their own"
    assert [ticket.external_id for ticket in tickets_of(path, chunk_rows=1)] == once


def test_a_mapping_names_columns(tmp_path):
    path = written(tmp_path / "t.csv", "Wann,Was,Art\n2026-01-05,Drucker,HW\n")
    (ticket,) = tickets_of(path, mapping={"opened_at": "Wann", "title": "Was", "category": "Art"})
    assert (ticket.title, ticket.labels) == ("Drucker", {"category": "HW"})


@pytest.mark.parametrize(
    ("text", "given", "said"),
    [
        ("", {}, "is empty"),
        ("a,b\n1,2\n", {}, r"no column for opened_at.*its columns: a, b.*--map opened_at=COLUMN"),
        ("created,x\n", {"mapping": {"titel": "x"}}, "--map titel=x: wanted one of .*title"),
        ("created,x\n", {"mapping": {"title": "y"}}, "no such column; its columns: created, x"),
        ("created,x\n", {"label_columns": ["site"]}, "no column for site"),
        ("PK\x03\x04", {}, "Excel or ZIP"),
    ],
    ids=["empty", "no time", "our name", "their name", "label", "excel"],
)
def test_errors_say_how_to_mend_it(tmp_path, text, given, said):
    with pytest.raises(ValueError, match=said) as raised:
        tickets_of(written(tmp_path / "t.csv", text), **given)
    assert "t.csv" in str(raised.value) or "--map" in str(raised.value)


def test_missing_and_cut_off_files(tmp_path):
    with pytest.raises(ValueError, match="no such file"):
        tickets_of(tmp_path / "t.csv")
    rng = np.random.default_rng(0)
    whole = gzip.compress(b"created,body\n" + rng.bytes(5000).hex().encode())
    (tmp_path / "t.csv.gz").write_bytes(whole[:-500])
    with pytest.raises(ValueError, match="broken gzip"):
        tickets_of(tmp_path / "t.csv.gz")


def test_files_of_a_folder(tmp_path):
    with pytest.raises(ValueError, match="holds no table"):
        find_files(tmp_path)
    with pytest.raises(ValueError, match="no such file or folder"):
        find_files(tmp_path / "absent")
    (tmp_path / "b").mkdir()
    for name in ("b/x.csv", "a.jsonl.gz", "c.parquet", ".hidden.csv", "readme.md"):
        written(tmp_path / name, "x")
    names = [path.relative_to(tmp_path).as_posix() for path in find_files(tmp_path)]
    assert names == ["a.jsonl.gz", "b/x.csv", "c.parquet"]
    assert find_files(tmp_path / "readme.md") == [tmp_path / "readme.md"]


def test_a_table_comes_as_it_is(tmp_path):
    path = written(tmp_path / "t.csv", "text,n\nb,007\n,NA\na,1\n")
    frames = list(read_table(path, chunk_rows=2))
    assert [len(frame) for frame in frames] == [2, 1]
    assert pd.concat(frames).to_dict("list") == {"text": ["b", "", "a"], "n": ["007", "NA", "1"]}
    with pytest.raises(ValueError, match="line 4: line has 1 fields, the header 2"):
        list(read_table(written(path, "text,n\na,1\nb,2\nc\n")))


def test_incidents(tmp_path):
    path = written(
        tmp_path / "incidents.csv",
        "id,title,onset,end,categories,series\n"
        "I1,Mail down,2026-01-05T09:00Z,2026-01-05T10:00Z,mail;vpn,smtp.queue\n"
        "I2,VPN,2026-01-05T09:00Z,,,\nI3,Bad,soon,,,\n",
    )
    rejects = Rejects()
    first, second = read_incidents(path, desk="it", rejects=rejects)
    assert (first.id, first.categories, first.series) == ("I1", ("mail", "vpn"), ("smtp.queue",))
    assert first.ended_at == datetime(2026, 1, 5, 10, tzinfo=UTC)
    assert (second.ended_at, second.categories, second.origin) == (None, (), "declared")
    assert rejects.n == 1


def test_columns_that_nothing_is_made_of_are_told(tmp_path):
    path = written(tmp_path / "t.csv", "Created,Betreff,Ort,category\n2026-03-02,x,Bonn,VPN\n")
    assert unread_columns(path) == ["Betreff", "Ort"]
    assert unread_columns(path, mapping={"title": "Betreff"}, label_columns=["Ort"]) == []


def test_a_table_of_times_alone_holds_no_tickets(tmp_path):
    path = written(tmp_path / "t.csv", "Created,Betreff\n2026-03-02,x\n")
    with pytest.raises(ValueError, match=r"neither a text nor a label.*--map title=COLUMN"):
        list(read_tickets(path, desk="it", rejects=Rejects()))
