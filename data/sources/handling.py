"""How tickets were handled, as files tell it. What cannot be read is left out, the ticket is not.

A desk's export may call a column as we do and mean another thing by it, so that a value that
makes no sense costs no ticket.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC
from typing import Any

from data.sources.chunk import Chunk
from data.sources.rejects import Rejects
from data.sources.time_columns import TimeColumns
from data.sources.values import EMPTY, MISSING

TIMES = ("acknowledged_at", "first_response_at", "sla_due_at")
YES = {"true", "yes", "y", "t", "1", "met", "fulfilled", "achieved", "within sla"}
NO = {"false", "no", "n", "f", "0", "missed", "violated", "breached", "failed", "sla violated"}
NOT_ASKED = {"offered", "unoffered", "not offered", "unrated"}  # Zendesk's words for no answer
GOOD, BAD = "good", "bad"
WORDS = {
    **dict.fromkeys(("good", "satisfied", "very satisfied", "positive", "happy"), GOOD),
    **dict.fromkeys(("bad", "dissatisfied", "very dissatisfied", "negative", "unhappy"), BAD),
}


def yes_or_no(text: str) -> bool:
    """What a yes or no says; ValueError where it is neither.

    >>> yes_or_no("TRUE"), yes_or_no("breached")
    (True, False)
    """
    plain = text.strip().casefold()
    if plain not in YES | NO:
        raise ValueError("is neither yes nor no")
    return plain in YES


def whole(text: str) -> int:
    """A count of things; ValueError where it is none.

    >>> whole("3"), whole("2.0")
    (3, 2)
    """
    if not re.fullmatch(r"\d{1,6}(\.0+)?", text.strip()):
        raise ValueError("is no whole number of times")
    return int(float(text))


def rating(text: str) -> str | None:
    """A rating as `models.handled` counts it: "1" to "5", "good" or "bad"; None where none came.

    >>> rating("4.0"), rating("Good with comment"), rating("Unoffered")
    ('4', 'good', None)
    """
    plain = " ".join(text.casefold().split()).removesuffix(" with comment")
    if plain in NOT_ASKED:
        return None
    if found := re.fullmatch(r"([1-5])(\.0+)?(?: ?(?:/|of|out of) ?5)?", plain):
        return found[1]
    if plain not in WORDS:
        raise ValueError("is no rating: wanted 1 to 5, good or bad")
    return WORDS[plain]


SAYINGS: dict[str, Callable[[str], object]] = {
    "sla_met": yes_or_no,
    "first_contact": yes_or_no,
    "n_reopened": whole,
    "n_reassigned": whole,
    "csat": rating,
}


def handling(
    chunk: Chunk, columns: Mapping[str, str], times: TimeColumns, rejects: Rejects
) -> Iterator[dict[str, Any]]:
    """For each row of a chunk the fields of its ticket that say how it was handled."""
    read: dict[str, list[Any]] = {}
    for name in TIMES:
        if name in columns:
            read[name] = _times(columns[name], chunk, times, rejects)
    for name, saying in SAYINGS.items():
        if name in columns:
            texts = chunk.columns[columns[name]]
            read[name] = [_said(saying, text, columns[name], rejects) for text in texts]
    for row in range(len(chunk)):
        yield {name: values[row] for name, values in read.items()}


def _times(column: str, chunk: Chunk, times: TimeColumns, rejects: Rejects) -> list[Any]:
    at, reasons = times.parse(column, chunk.columns[column])
    for reason in reasons[(reasons != "") & (reasons != EMPTY)]:
        rejects.leave(column, reason)
    return [moment and moment.replace(tzinfo=UTC) for moment in at.tolist()]


def _said(saying: Callable[[str], object], text: str, column: str, rejects: Rejects) -> object:
    if text.strip().casefold() in MISSING:
        return None
    try:
        return saying(text)
    except ValueError as error:
        rejects.leave(column, str(error))
        return None
