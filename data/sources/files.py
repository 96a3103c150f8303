"""Tickets, metric points and incidents from files: CSV, JSON lines or Parquet."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from data.masking import pseudonym
from data.points import Points
from data.records import Incident, Ticket
from data.sources.attributes import attributes_in
from data.sources.chunk import Chunk
from data.sources.columns import (
    INCIDENT_NAMES,
    LABELS,
    POINT_NAMES,
    PREFIX,
    TICKET_NAMES,
    attribute_names,
    find_columns,
    plain,
)
from data.sources.handling import handling
from data.sources.opening import find_files, stem
from data.sources.rejects import Rejects
from data.sources.tables import read_chunks
from data.sources.time_columns import TimeColumns
from data.sources.values import EMPTY, parse_values

if TYPE_CHECKING:
    import pandas

__all__ = [
    "find_files",
    "read_incidents",
    "read_points",
    "read_table",
    "read_tickets",
    "unread_columns",
]


def read_table(
    path: Path,
    *,
    encoding: str | None = None,
    chunk_rows: int = 5000,
    rejects: Rejects | None = None,
) -> Iterator["pandas.DataFrame"]:
    """The table as it is, in order, every column as str and "" where a value is missing.

    Without `rejects` a row that cannot be read is a ValueError, so that none is dropped unseen.
    """
    import pandas as pd

    bad = Refusing(path) if rejects is None else rejects
    for chunk in read_chunks(path, rejects=bad, encoding=encoding, chunk_rows=chunk_rows):
        yield pd.DataFrame(chunk.columns, dtype=object, index=range(len(chunk)))


class Refusing(Rejects):
    """Lets no bad row pass."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.table = path

    def add(self, line: int | None, field: str, reason: str, row: Mapping[str, str] | str) -> None:
        raise ValueError(f"{self.table}, line {line}: {field} {reason}; mend it, then try again")


def read_points(
    path: Path,
    *,
    mapping: Mapping[str, str] | None = None,
    timezone: str = "UTC",
    rejects: Rejects,
    chunk_rows: int = 100_000,
    encoding: str | None = None,
    time_format: str | None = None,
) -> Iterator[Points]:
    """Metric points from a table of timestamp, value and, if it holds many series, series.

    Without a column for the series, the file's name is its name.
    """
    times = TimeColumns(path, timezone, time_format, encoding)
    for chunk in read_chunks(path, rejects=rejects, encoding=encoding, chunk_rows=chunk_rows):
        columns = find_columns(
            path, list(chunk.columns), POINT_NAMES, mapping or {}, ("timestamp", "value")
        )
        points = _points(chunk, columns, stem(path), times, rejects)
        if len(points):
            yield points


def _points(
    chunk: Chunk, columns: Mapping[str, str], name: str, times: TimeColumns, rejects: Rejects
) -> Points:
    at, why_time = times.parse(columns["timestamp"], chunk.columns[columns["timestamp"]])
    values, why_value = parse_values(chunk.columns[columns["value"]])
    series = np.full(len(chunk), name, object)
    why_series = np.full(len(chunk), "", object)
    if "series" in columns:
        series[:] = [text.strip() for text in chunk.columns[columns["series"]]]
        why_series[series == ""] = EMPTY
    reasons = {"timestamp": why_time, "value": why_value, "series": why_series}
    good = np.logical_and.reduce([why == "" for why in reasons.values()])
    for i in np.flatnonzero(~good).tolist():
        ours = next(ours for ours, why in reasons.items() if why[i])
        rejects.add(chunk.lines[i], columns[ours], reasons[ours][i], chunk.row(i))
    return Points(series[good], at[good], values[good])


def read_tickets(
    path: Path,
    *,
    desk: str,
    source: str | None = None,
    mapping: Mapping[str, str] | None = None,
    label_columns: Sequence[str] = (),
    timezone: str = "UTC",
    hmac_key: str = "",
    rejects: Rejects,
    chunk_rows: int = 5000,
    encoding: str | None = None,
    time_format: str | None = None,
) -> Iterator[list[Ticket]]:
    """The tickets of a table, a list a chunk. `source` is by default the file's name.

    Where the file has no ids, a hash of the row stands for it, so that reading twice gives the
    same tickets. Without `hmac_key` no requester is kept at all.
    """
    labels = dict.fromkeys((*LABELS, *label_columns))
    reading = _Reading(
        desk, source or stem(path), tuple(labels), hmac_key, Counter(),
        TimeColumns(path, timezone, time_format, encoding), rejects,
    )  # fmt: skip
    for chunk in read_chunks(path, rejects=rejects, encoding=encoding, chunk_rows=chunk_rows):
        columns = _ticket_columns(path, list(chunk.columns), mapping or {}, label_columns)
        if tickets := list(_tickets(chunk, columns, reading)):
            yield tickets


def unread_columns(
    path: Path,
    *,
    mapping: Mapping[str, str] | None = None,
    label_columns: Sequence[str] = (),
    encoding: str | None = None,
) -> list[str]:
    """The columns of a ticket file that `read_tickets` would make nothing of."""
    first = next(read_chunks(path, rejects=Rejects(), encoding=encoding, chunk_rows=1))
    read = _ticket_columns(path, list(first.columns), mapping or {}, label_columns)
    return [column for column in first.columns if column not in read.values()]


def _ticket_columns(
    path: Path, columns: Sequence[str], mapping: Mapping[str, str], label_columns: Sequence[str]
) -> dict[str, str]:
    """Our names to the file's columns; ValueError where a ticket would be a mere time."""
    known = dict.fromkeys(label_columns, ()) | TICKET_NAMES
    known |= {name: (plain(name),) for name in label_columns if name not in TICKET_NAMES}
    known |= attribute_names(columns, mapping)
    found = find_columns(path, columns, known, mapping, ("opened_at", *label_columns))
    asked_by = found.get("requester")
    found = {k: v for k, v in found.items() if v != asked_by or not k.startswith(PREFIX)}
    if not found.keys() & {"title", "body", *LABELS, *label_columns}:
        raise ValueError(
            f"{path} has neither a text nor a label that is recognised; its columns: "
            f"{', '.join(columns)}; say which is which: --map title=COLUMN, --map category=COLUMN"
        )
    return found


class _Reading(NamedTuple):
    """What is the same for every ticket of a file."""

    desk: str
    source: str
    labels: tuple[str, ...]
    hmac_key: str
    copies: Counter[str]
    times: TimeColumns
    rejects: Rejects


def _tickets(chunk: Chunk, columns: Mapping[str, str], reading: _Reading) -> Iterator[Ticket]:
    opened, why_opened = _moments(chunk, columns.get("opened_at"), reading.times)
    resolved, why_resolved = _moments(chunk, columns.get("resolved_at"), reading.times)
    handled = handling(chunk, columns, reading.times, reading.rejects)
    for i, (line, how) in enumerate(zip(chunk.lines, handled, strict=True)):
        row = chunk.row(i)
        why = {"opened_at": why_opened[i], "resolved_at": why_resolved[i]}
        why["resolved_at"] = "" if why["resolved_at"] == EMPTY else why["resolved_at"]
        bad = next((ours for ours, reason in why.items() if reason), None)
        if bad:
            shown = row | dict.fromkeys(_of(columns, "requester"), "<requester>")
            reading.rejects.add(line, columns[bad], why[bad], shown)
        else:
            yield replace(_ticket(row, columns, reading, opened[i], resolved[i]), **how)


def _moments(
    chunk: Chunk, column: str | None, times: TimeColumns
) -> tuple[list[datetime | None], list[str]]:
    if column is None:
        return [None] * len(chunk), [""] * len(chunk)
    at, why = times.parse(column, chunk.columns[column])
    moments = [moment and moment.replace(tzinfo=UTC) for moment in at.tolist()]
    return moments, why.tolist()


def _of(columns: Mapping[str, str], ours: str) -> list[str]:
    return [columns[ours]] if ours in columns else []


def _ticket(
    row: Mapping[str, str],
    columns: Mapping[str, str],
    reading: _Reading,
    opened_at: datetime,
    resolved_at: datetime | None,
) -> Ticket:
    texts = {ours: row[column].strip() for ours, column in columns.items()}
    requester = texts.get("requester")
    return Ticket(
        desk=reading.desk,
        source=reading.source,
        external_id=texts.get("external_id") or _row_id(row, reading.copies),
        opened_at=opened_at,
        title=texts.get("title", ""),
        body=texts.get("body", ""),
        resolved_at=resolved_at,
        labels={name: texts[name] for name in reading.labels if texts.get(name)},
        channel=texts.get("channel") or None,
        requester=pseudonym(reading.hmac_key, requester)
        if requester and reading.hmac_key
        else None,
        resolution=texts.get("resolution", ""),
        attributes=attributes_in(row, columns, reading.rejects),
    )


def _row_id(row: Mapping[str, str], copies: Counter[str]) -> str:
    """A hash of the row; equal rows are told apart by counting, for each is a ticket."""
    filled = sorted((name, text) for name, text in row.items() if text)
    digest = hashlib.sha256(repr(filled).encode()).hexdigest()[:32]
    copies[digest] += 1
    return digest if copies[digest] == 1 else f"{digest}-{copies[digest]}"


def read_incidents(
    path: Path,
    *,
    desk: str,
    mapping: Mapping[str, str] | None = None,
    timezone: str = "UTC",
    rejects: Rejects,
    encoding: str | None = None,
    time_format: str | None = None,
) -> list[Incident]:
    """Incidents that are known: title and onset_at, and if known ended_at, categories, series.

    Several categories or series stand in one field, parted by ; or |.
    """
    times, copies = TimeColumns(path, timezone, time_format, encoding), Counter[str]()
    incidents = []
    for chunk in read_chunks(path, rejects=rejects, encoding=encoding):
        columns = find_columns(
            path, list(chunk.columns), INCIDENT_NAMES, mapping or {}, ("title", "onset_at")
        )
        onset, why_onset = _moments(chunk, columns["onset_at"], times)
        ended, why_ended = _moments(chunk, columns.get("ended_at"), times)
        for i, line in enumerate(chunk.lines):
            row = chunk.row(i)
            if why_onset[i] or why_ended[i] not in ("", EMPTY):
                bad = "onset_at" if why_onset[i] else "ended_at"
                rejects.add(line, columns[bad], why_onset[i] or why_ended[i], row)
            elif ended[i] and ended[i] < onset[i]:
                rejects.add(line, columns["ended_at"], f"lies before {columns['onset_at']}", row)
            else:
                incidents.append(_incident(row, columns, desk, onset[i], ended[i], copies))
    return incidents


def _incident(
    row: Mapping[str, str],
    columns: Mapping[str, str],
    desk: str,
    onset_at: datetime,
    ended_at: datetime | None,
    copies: Counter[str],
) -> Incident:
    texts = {ours: row[column].strip() for ours, column in columns.items()}
    return Incident(
        id=texts.get("id") or _row_id(row, copies),
        desk=desk,
        title=texts["title"],
        onset_at=onset_at,
        ended_at=ended_at,
        categories=_several(texts.get("categories", "")),
        series=_several(texts.get("series", "")),
    )


def _several(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in re.split(r"[;|]", text) if part.strip())
