"""Where an incident may have begun: services ranked by what speaks for each. Suspects, no more.

Each service that alerts, or that one which alerts needs, is taken for the cause in turn, and the
evidence held against it: what went wrong first, what needs what, what was changed shortly before,
what was found the last time. The shares are the products of these, made to sum to 1.
"""

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from data.records import Alert, Change, Suspect, Trace
from features.labels import parsed, sender_of
from features.names import shared_name
from features.windows import TOTAL
from models.incidents import OF_TICKETS, lag_told

Needs = Mapping[str, frozenset[str]]
SERVICE_LABELS = ("service", "app", "job", "component")
SHOWN = 5
CHANGED_BEFORE = timedelta(hours=2)
CLOCKS = timedelta(minutes=5)  # by which a sender's may be ahead
FADING = 45.0  # minutes: how soon after a change the fault that it began shows
CAUSED = 0.5  # of all incidents by a change that somebody told of
MOST = 30.0  # that one change may speak for a service
SILENT = 0.15  # a cause that shows in none of its own series
FELT, UNEXPLAINED, UNKNOWN = 0.6, 0.05, 0.3
"""Chances that a service alerts though it is not the cause: since it needs the one that is; for no
known reason; where nothing is known of what needs what."""
SPREAD = 0.7  # how much less likely each service further down the line feels it
SHARP, BLUNT = 10.0, 30.0  # minutes: how well metrics, and tickets, tell when something began
HIDDEN = 0.2  # of the causes show later than what they bring about: their own series move less
LIKE_THE_LAST = 4.0  # times as suspect is what was the cause of an incident like this one
LOOKED_BACK = timedelta(minutes=90)  # for where it began
DRIFT = 0.5  # of a band's half width: what CUSUM forgives


class Before(NamedTuple):
    """An earlier incident that is `like` this one, in [0, 1], with what people found."""

    title: str
    opened_at: datetime
    cause: str
    fix: str
    like: float


@dataclass
class Known:
    """What there is to know beside the alerts: what needs what, changes, incidents before.

    `changes` are those of the last month, `weeks` how long that was. `services` are the names of
    those that are measured: tickets are about the one that their kind is named for.
    """

    needs: Needs = field(default_factory=dict)
    changes: Sequence[Change] = ()
    weeks: float = 4.0
    before: Sequence[Before] = ()
    services: Sequence[str] = ()


class Sign(NamedTuple):
    """That something is wrong with a service: since when, how well that is known, by what."""

    service: str
    at: datetime
    blur: float
    alert: Alert


def suspects(
    alerts: Sequence[Alert], traces: Mapping[str, Trace], known: Known, zone: ZoneInfo
) -> tuple[Suspect, ...]:
    """The services where it may have begun, the likeliest first, at most five.

    >>> from datetime import UTC
    >>> told = {"score": 9, "threshold": 4, "observed": 9, "expected": 1, "lower": 0, "upper": 3}
    >>> told |= {"desk": "it", "why": "", "detector": "", "kind": "metric"}
    >>> nine, step = datetime(2026, 3, 2, 9, tzinfo=UTC), timedelta(minutes=5)
    >>> mail = Alert(id="a", key="mail.errors", opened_at=nine, **told)
    >>> auth = Alert(id="b", key="auth.errors", opened_at=nine + step, **told)
    >>> needs = {"mail": frozenset(["auth"])}
    >>> found = suspects([mail, auth], {}, Known(needs), ZoneInfo("UTC"))
    >>> found[0].service, found[0].evidence[0]
    ('auth', 'mail went wrong too, which needs it')
    """
    names = services_of(alerts, known)
    signs = [sign_of(one, traces.get(one.id), names) for one in alerts if one.key != TOTAL]
    named = [sign for sign in signs if sign.alert.kind != "topic" or sign.service in names]
    signs = named or signs  # a topic is no service, unless it names one
    first = first_signs(signs)
    begin = min((sign.at for sign in first.values()), default=None)
    if begin is None:
        return ()
    weights = {name: weight(name, first, begin, known) for name in candidates(first, begin, known)}
    total = sum(weights.values())
    ranked = sorted(weights, key=lambda name: (-weights[name], name))[:SHOWN]
    return tuple(
        Suspect(
            name,
            round(weights[name] / total, 3),
            evidence(name, first, begin, known, zone),
            next((one.url for one in changed(name, begin, known) if one.url), ""),
        )
        for name in ranked
    )


# -- what alerts say --------------------------------------------------------------------------


def services_of(alerts: Sequence[Alert], known: Known) -> list[str]:
    """The names of services that are known, from series, changes and what needs what."""
    named = [service_of(one.key) for one in alerts if one.kind not in OF_TICKETS]
    named += [*known.services, *(one.service for one in known.changes if one.service)]
    named += [name for service, needs in known.needs.items() for name in (service, *sorted(needs))]
    return list(dict.fromkeys(named))


def service_of(key: str) -> str:
    """The service that a series is of: its label, or what comes before the last dot of its name.

    >>> service_of('errors{service="checkout"}'), service_of("auth.errors_per_min")
    ('checkout', 'auth')
    """
    labels = parsed(key).labels
    return next((labels[name] for name in SERVICE_LABELS if name in labels), sender_of(key, ()))


def sign_of(alert: Alert, trace: Trace | None, names: Sequence[str]) -> Sign:
    """What an alert says of a service; tickets are about the one that their kind is named for."""
    if alert.kind in OF_TICKETS:
        service = next((name for name in names if shared_name(name, alert.key)), alert.key)
        return Sign(service, began_at(alert, trace), BLUNT, alert)
    return Sign(service_of(alert.key), began_at(alert, trace), SHARP, alert)


def first_signs(signs: Sequence[Sign]) -> dict[str, Sign]:
    """The first sign of each service; what metrics say goes before what tickets do."""
    ordered = sorted(signs, key=lambda sign: (sign.blur, sign.at))
    return {sign.service: sign for sign in reversed(ordered)}


def began_at(alert: Alert, trace: Trace | None) -> datetime:
    """When the values of an alert began to leave what was expected, by its chart.

    That is where CUSUM was last at zero before the alert opened (Page 1954), an hour and a half
    before at most; the opening itself where there is no chart.
    """
    if trace is None or alert.opened_at not in trace.times:
        return alert.opened_at
    stop = trace.times.index(alert.opened_at) + 1
    start = bisect_left(trace.times, alert.opened_at - LOOKED_BACK)
    lines = [
        getattr(trace, name)[start:stop] for name in ("observed", "expected", "lower", "upper")
    ]
    observed, expected, lower, upper = (np.array(one, dtype=float) for one in lines)
    half = np.fmax(np.fmax(upper - expected, expected - lower), 1e-9)
    side = -1.0 if alert.observed < alert.expected else 1.0
    drifted = np.nan_to_num(side * (observed - expected) / half - DRIFT, nan=0.0, posinf=0.0)
    back = int(np.argmax(np.cumsum(drifted[::-1])))  # the sum from each step to the opening
    return trace.times[stop - 1 - back]


# -- what speaks for whom ---------------------------------------------------------------------


def candidates(first: Mapping[str, Sign], begin: datetime, known: Known) -> list[str]:
    """Services that alert, those that they need, and those that were changed just before."""
    needed = [name for service in first for name in upstream(service, known.needs)]
    recent = [one.service or one.title for one in known.changes if just_before(one, begin)]
    return list(dict.fromkeys([*first, *needed, *recent]))


def upstream(service: str, needs: Needs) -> dict[str, int]:
    """What a service needs, directly or through others, each with how many steps away it is.

    >>> upstream("shop", {"shop": frozenset(["erp"]), "erp": frozenset(["auth"])})
    {'erp': 1, 'auth': 2}
    """
    found: dict[str, int] = {}
    ring, far = [service], 0
    while ring:
        far += 1
        ring = [name for one in ring for name in sorted(needs.get(one, ())) if name not in found]
        ring = [name for name in dict.fromkeys(ring) if name != service]
        found |= dict.fromkeys(ring, far)
    return found


def weight(cause: str, first: Mapping[str, Sign], begin: datetime, known: Known) -> float:
    """How well what was seen fits this service as the cause, up to a factor that all share."""
    own = first.get(cause)
    weight = (1 - SILENT) if own else SILENT
    for service, sign in first.items():
        if service == cause:
            continue
        weight *= felt(service, cause, known.needs, shows=own is not None)
        if own is not None:  # what is felt comes after what causes it
            late = (own.at - sign.at) / timedelta(minutes=1)
            sharp = math.exp(-max(late, 0.0) / max(own.blur, sign.blur))
            weight *= HIDDEN + (1 - HIDDEN) * sharp
    weight *= speaks_of_change(cause, begin, known)
    like = max((one.like for one in known.before if names(one.cause, cause)), default=0.0)
    return weight * (1 + (LIKE_THE_LAST - 1) * like)


def felt(service: str, cause: str, needs: Needs, *, shows: bool) -> float:
    """How likely a service alerts for this cause, which itself `shows` that something is wrong."""
    if not needs:
        return UNKNOWN if shows else UNEXPLAINED
    far = upstream(service, needs).get(cause)
    return UNEXPLAINED if far is None else FELT * SPREAD ** (far - 1)


def speaks_of_change(cause: str, begin: datetime, known: Known) -> float:
    """How much more likely the changes to a service are if they began this, than by chance."""
    if not known.changes:
        return 1.0
    found = changed(cause, begin, known)
    if not found:
        return 1 - CAUSED
    n = sum(one.service == cause for one in known.changes)
    a_minute = (n + 1) / (known.weeks + 1) / (7 * 24 * 60)
    lag = (begin - found[0].at) / timedelta(minutes=1)
    return min(1 - CAUSED + CAUSED * math.exp(-max(lag, 0) / FADING) / FADING / a_minute, MOST)


def changed(cause: str, begin: datetime, known: Known) -> list[Change]:
    """The changes to a service in the two hours before, the latest first."""
    found = [
        one
        for one in known.changes
        if just_before(one, begin) and (one.service or one.title) == cause
    ]
    return sorted(found, key=lambda one: one.at, reverse=True)


def just_before(change: Change, begin: datetime) -> bool:
    """Whether a change was made in the two hours before, or so shortly after that clocks differ."""
    return begin - CHANGED_BEFORE <= change.at <= begin + CLOCKS


def names(text: str, service: str) -> bool:
    """Whether what a person wrote down as a cause names a service."""
    return bool(text and shared_name(text, service))


# -- in words ---------------------------------------------------------------------------------


def evidence(
    cause: str, first: Mapping[str, Sign], begin: datetime, known: Known, zone: ZoneInfo
) -> tuple[str, ...]:
    """What speaks for a service, a sentence each."""
    told = [change_told(one, begin) for one in changed(cause, begin, known)[:2]]
    own = first.get(cause)
    others = [sign for service, sign in first.items() if service != cause]
    needing = [sign.service for sign in others if cause in upstream(sign.service, known.needs)]
    if needing:
        several = len(needing) > 1
        told.append(f"{listed(needing)} went wrong too, which need{'' if several else 's'} it")
    if own is not None:
        at = f"{own.at.astimezone(zone):%H:%M}"
        is_first = all(own.at <= sign.at for sign in others)
        what = f"tickets on {own.alert.key}" if own.alert.kind in OF_TICKETS else own.alert.key
        told.append(f"{what} went wrong {'first, ' if is_first and others else ''}at {at}")
    elif needing:
        told.append("none of its own series alerts")
    for one in known.before:
        if names(one.cause, cause):
            fix = f"; what helped: {one.fix}" if one.fix else ""
            told.append(f"so it was on {one.opened_at:%Y-%m-%d}, {one.title}: {one.cause}{fix}")
    return tuple(told)


def change_told(change: Change, begin: datetime) -> str:
    lag = lag_told(change.at, begin)
    return f"{change.title}, {'just then' if lag == 'as' else lag}"


def listed(names: Sequence[str]) -> str:
    """Names as one says them.

    >>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c", "d"])
    ('a', 'a and b', 'a, b and 2 more')
    """
    if len(names) > 3:
        return f"{', '.join(names[:2])} and {len(names) - 2} more"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
