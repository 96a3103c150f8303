"""Times as files spell them, to milliseconds since 1970 in UTC; many at once."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd

from data.sources.values import EMPTY, MISSING

Order = Literal["day", "month"]

ISO = r"\d{4}[-/]\d{1,2}[-/]\d{1,2}(?:[T ]+\d.*)?|\d{8}(?:T\d.*)?"
OFFSET = r".*(?::\d\d|T\d{2,6})(?:[.,]\d+)? ?(?:Z|z|UTC|GMT|[+-]\d\d(?::?\d\d)?)"
UNIX = r"\d{9,10}(?:\.\d*)?|\d{12,13}(?:\.\d*)?|\d{15,16}|\d{18,19}"
NUMERIC_DATE = (
    r"(?P<first>\d{1,2})(?P<mark>[./-])(?P<second>\d{1,2})[./-](?P<year>\d{4}|\d{2})"
    r"(?:[ ,T]+(?P<clock>\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)?)\s*(?P<half>[AaPp][Mm])?)?"
)
WORDED = r"[A-Za-z0-9].*[A-Za-z]{3}.*\d.*"
NAMED_MONTH = ("%d/%b/%y %H:%M", "%d/%b/%y %I:%M %p", "%d-%b-%Y %H:%M:%S", "%d-%b-%Y %H:%M",
               "%d-%b-%Y", "%d %b %Y %H:%M:%S", "%d %b %Y %H:%M", "%d %b %Y", "%d/%b/%Y %H:%M",
               "%b %d, %Y %I:%M:%S %p", "%b %d, %Y %I:%M %p", "%b %d, %Y", "%B %d, %Y",
               "%d %B %Y")  # fmt: skip
FIRST, LAST = np.datetime64("1970-01-01", "ms"), np.datetime64("2200-01-01", "ms")

UNREADABLE = (
    "is no time that can be read: wanted 2026-01-31T09:00:00Z, unix seconds, or --time-format"
)
AMBIGUOUS = "may be day/month or month/day: say which with --time-format '%d/%m/%Y %H:%M'"
FAR = "lies before 1970 or after 2200"


def zone_of(name: str) -> ZoneInfo:
    """The zone of that name; ValueError when there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"wanted a time zone such as Europe/Berlin, got {name!r}") from error


def date_order(texts: Iterable[str]) -> Order | None:
    """Whether dates such as 31/01/2026 begin with the day or the month; None: nothing tells.

    >>> date_order(["05/06/2026", "05/31/2026"])
    'month'
    """
    for text in texts:
        first, _, rest = text.strip().replace("-", "/").replace(".", "/").partition("/")
        second = rest.partition("/")[0]
        if first.isdigit() and second.isdigit() and len(first) <= 2:
            if 12 < int(first) <= 31:
                return "day"
            if 12 < int(second) <= 31:
                return "month"
    return None


def parse_times(
    texts: Sequence[str],
    zone: ZoneInfo,
    *,
    order: Order | None = None,
    time_format: str | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """(times, reasons): datetime64[ms] in UTC, and why a time is NaT ("" where it is none).

    A time without zone is taken to stand in `zone`. Where clocks go back it is the first of the
    two moments; where they go forward it counts on from before the gap (PEP 495, fold=0).

    >>> times, reasons = parse_times(["2026-01-05 09:00", "1767603600", "soon"], zone_of("UTC"))
    >>> times[:2]
    array(['2026-01-05T09:00:00.000', '2026-01-05T09:00:00.000'], dtype='datetime64[ms]')
    >>> reasons[0], reasons[2][:7]
    ('', 'is no t')
    """
    codes, distinct = pd.factorize(np.asarray(texts, dtype=object))
    series = pd.Series(distinct, dtype="str").str.strip()
    if time_format is not None:
        times = _formatted(series, zone, time_format)
        reasons = np.where(np.isnat(times), f"does not fit --time-format {time_format}", "")
    else:
        times, ambiguous = _recognised(series, zone, order)
        reasons = np.where(np.isnat(times), np.where(ambiguous, AMBIGUOUS, UNREADABLE), "")
    far = (times < FIRST) | (times >= LAST)
    empty = series.str.casefold().isin(MISSING).to_numpy(bool)
    reasons = np.where(empty, EMPTY, np.where(far, FAR, reasons))
    times[far] = np.datetime64("NaT")
    return times[codes], reasons.astype(object)[codes]


def _recognised(
    series: pd.Series, zone: ZoneInfo, order: Order | None
) -> tuple[np.ndarray, np.ndarray]:
    times = np.full(len(series), np.datetime64("NaT"), "datetime64[ms]")
    ambiguous = np.zeros(len(series), bool)
    iso = series.str.fullmatch(ISO).to_numpy(bool)
    unix = ~iso & series.str.fullmatch(UNIX).to_numpy(bool)
    numeric = ~iso & ~unix & series.str.fullmatch(NUMERIC_DATE).to_numpy(bool)
    worded = ~iso & ~unix & ~numeric & series.str.fullmatch(WORDED).to_numpy(bool)
    if iso.any():
        times[iso] = _iso(series[iso], zone)
    if unix.any():
        times[unix] = _unix(series[unix])
    if numeric.any():
        times[numeric], ambiguous[numeric] = _numeric(series[numeric], zone, order)
    times[worded] = [_worded(text, zone) for text in series[worded]]
    return times, ambiguous


def _iso(series: pd.Series, zone: ZoneInfo) -> np.ndarray:
    """ISO 8601, its date also with slashes, its seconds also with a comma, its offset as +0700."""
    times = np.full(len(series), np.datetime64("NaT"), "datetime64[ms]")
    series = series.str.replace("/", "-", regex=False).str.replace(",", ".", regex=False)
    aware = series.str.fullmatch(OFFSET).to_numpy(bool)
    offset = series[aware].str.replace(r" ?(?:UTC|GMT|z)$", "Z", regex=True)
    offset = offset.str.replace(r" (?=[+-]\d\d:?\d*$)", "", regex=True)
    times[aware] = _utc(pd.to_datetime(offset, format="ISO8601", utc=True, errors="coerce"))
    naive = pd.to_datetime(series[~aware], format="ISO8601", errors="coerce")
    times[~aware] = _localised(naive, zone)
    return times


def _unix(series: pd.Series) -> np.ndarray:
    """Seconds, milliseconds, microseconds or nanoseconds since 1970, told by their length."""
    power = (series.str.partition(".")[0].str.len().to_numpy() - 9) // 3 * 3
    milliseconds = series.to_numpy("float64") * 1000 / 10.0**power
    return np.round(milliseconds).astype("int64").astype("datetime64[ms]")


def _numeric(
    series: pd.Series, zone: ZoneInfo, order: Order | None
) -> tuple[np.ndarray, np.ndarray]:
    """Dates such as 31/01/2026 9:00 pm, and which of them cannot be told. Dots mean day first."""
    parts = series.str.extract(NUMERIC_DATE)
    first, second = parts["first"].astype("int64"), parts["second"].astype("int64")
    dots = (parts["mark"] == ".").to_numpy()
    ambiguous = ~dots & (first <= 12).to_numpy() & (second <= 12).to_numpy() & (order is None)
    ambiguous &= (first != second).to_numpy()
    day_first = dots | (order == "day") | ((order is None) & (first > 12).to_numpy())
    day, month = np.where(day_first, first, second), np.where(day_first, second, first)
    year = parts["year"].astype("int64") + np.where(parts["year"].str.len() == 2, 2000, 0)
    dates = pd.to_datetime({"year": year, "month": month, "day": day}, errors="coerce")
    naive = dates + _clock(parts["clock"].fillna("0:00"), parts["half"].fillna(""))
    times = _localised(naive, zone)
    times[ambiguous] = np.datetime64("NaT")
    return times, ambiguous


def _clock(clock: pd.Series, half: pd.Series) -> pd.Series:
    seconds = clock + np.where(clock.str.count(":") == 1, ":00", "")
    since = pd.to_timedelta(seconds.str.replace(",", ".", regex=False), errors="coerce")
    afternoon, twelve = half.str.lower(), pd.Timedelta(hours=12)
    noonish = (since >= twelve) & (since < twelve + pd.Timedelta(hours=1))
    since = since.where(~((afternoon == "am") & noonish), since - twelve)
    since = since.where(~((afternoon == "pm") & ~noonish), since + twelve)
    return since.where(since < pd.Timedelta(days=1))


def _worded(text: str, zone: ZoneInfo) -> np.datetime64:
    """Times with the month's name: as Jira exports them, and as mail headers hold them."""
    for wanted in NAMED_MONTH:
        try:
            return _moment(datetime.strptime(text, wanted), zone)
        except ValueError:
            continue
    try:
        return _moment(parsedate_to_datetime(text), zone)
    except ValueError:
        return np.datetime64("NaT", "ms")


def _moment(time: datetime, zone: ZoneInfo) -> np.datetime64:
    aware = time if time.tzinfo else time.replace(tzinfo=zone)
    return np.datetime64(aware.astimezone(UTC).replace(tzinfo=None), "ms")


def _formatted(series: pd.Series, zone: ZoneInfo, time_format: str) -> np.ndarray:
    if "%z" in time_format or "%Z" in time_format:
        return _utc(pd.to_datetime(series, format=time_format, utc=True, errors="coerce"))
    return _localised(pd.to_datetime(series, format=time_format, errors="coerce"), zone)


def _localised(naive: pd.Series, zone: ZoneInfo) -> np.ndarray:
    if zone.key == "UTC":
        return naive.to_numpy().astype("datetime64[ms]")
    index = pd.DatetimeIndex(naive)
    aware = index.tz_localize(zone, ambiguous=np.ones(len(index), bool), nonexistent="NaT")
    times = _utc(aware)
    for gap in np.flatnonzero(aware.isna() & ~index.isna()):
        times[gap] = _moment(index[gap].to_pydatetime(), zone)
    return times


def _utc(aware: pd.Series | pd.DatetimeIndex) -> np.ndarray:
    index = pd.DatetimeIndex(aware)
    return index.tz_convert("UTC").tz_localize(None).to_numpy().astype("datetime64[ms]")
