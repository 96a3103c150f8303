"""Days on which a desk does not work: public holidays and days of its own."""

import csv
from datetime import date
from functools import cache
from pathlib import Path

from data.settings import Settings

YEARS = range(2000, 2061)  # as far as the time zones' shifts are worked out


def days_off(settings: Settings) -> str:
    """All days off of the desk, in order and parted by commas: what a detector is made with.

    >>> days_off(Settings(holidays=("DE-BY", "US")))[:43]
    '2000-01-01,2000-01-06,2000-01-17,2000-02-21'
    """
    own = own_days(Path(settings.days_off)) if settings.days_off else frozenset[date]()
    return ",".join(day.isoformat() for day in sorted(own.union(*map(public, settings.holidays))))


@cache
def public(place: str) -> frozenset[date]:
    """The public holidays of a country, or of a part of it ("DE-BY").

    >>> date(2026, 1, 6) in public("DE-BY"), date(2026, 1, 6) in public("DE")
    (True, False)
    """
    import holidays  # here, since hardly anything but detection needs it

    country, _, part = place.partition("-")
    return frozenset(holidays.country_holidays(country, subdiv=part or None, years=YEARS))


def own_days(file: Path) -> frozenset[date]:
    """The dates of a CSV file with a column `date` (2026-12-24); its other columns are notes."""
    if not file.is_file():
        raise ValueError(f"FOREWARN_DAYS_OFF names no file: {file}")
    with file.open(newline="", encoding="utf-8-sig") as opened:
        rows = csv.DictReader(opened)
        if "date" not in (rows.fieldnames or ()):
            raise ValueError(
                f"{file}: wanted a column date, got {', '.join(rows.fieldnames or ()) or 'nothing'}"
            )
        return frozenset(_date(file, rows.line_num, row["date"] or "") for row in rows)


def _date(file: Path, line: int, text: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(
            f"{file}, line {line}: wanted a date like 2026-12-24, got {text!r}"
        ) from None
