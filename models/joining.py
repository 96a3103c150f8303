"""Which alerts are of one incident: each is taken for chance, or as brought about by others.

An alert that opens is either there for a reason of its own or was triggered by the fault that
others told of before. Both have a rate, so the share of a rate is the probability (stochastic
declustering: Zhuang, Ogata, Vere-Jones 2002, Stochastic declustering of space-time earthquake
occurrences, for point processes that excite each other: Hawkes 1971).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple

from data.records import Alert
from features.names import shared_name
from features.windows import TOTAL

BEFORE, AFTER = 30.0, 60.0  # minutes around an alert in which another may be of the same fault
FADING = 20.0  # minutes: the mean lag of those that are
LATER = 0.1  # of them come while it lasts, however long that is
LASTING = 360.0  # minutes, over which these are spread
QUIET = 120.0  # minutes after its end in which more may still come of an alert's fault
AGAIN = 24 * 60.0  # minutes in which the same thing may come again

SAME, NAMED, NEEDED, UNRELATED = 0.5, 0.4, 0.3, 0.3
"""Chances that another alerts in the same incident, before anything is learnt: the same thing
again, one of the same name or on a service that it needs, and all that have nothing to do with it
together."""

PRIOR = 2.0  # incidents that the chances before learning count for
CHANCE_WEEKS = 4.0  # the same of the rates
MOST_NAMES = 10  # of an alert's members
WEIGHT_OF_WORD = 3.0  # of a person's merge or split, in incidents
JOINED = 0.5  # the probability from which an alert belongs to an incident
MINUTES_A_WEEK = 7 * 24 * 60.0


class Thing(NamedTuple):
    """What an alert is about: the kind of evidence, and a category, a series or its group."""

    kind: str
    name: str

    @property
    def told(self) -> str:
        return f"tickets on {self.name}" if self.kind in ("surge", "topic") else self.name


def thing_of(alert: Alert) -> Thing:
    """What an alert is about; a topic is itself alone, whatever kind its tickets are of."""
    return Thing(alert.kind, alert.key if alert.kind == "topic" else alert.group_key or alert.key)


def akin(one: Alert, other: Alert) -> bool:
    """Whether two alerts share a word of their names, groups or first members."""
    return any(shared_name(a, b) for a in names_of(one) for b in names_of(other))


def names_of(alert: Alert) -> tuple[str, ...]:
    """What an alert is called by, each name once."""
    return tuple(dict.fromkeys((alert.key, alert.group_key, *alert.members[:MOST_NAMES])))


class Past(NamedTuple):
    """One alert that was assigned: to which incident, how surely, and what a person said of it.

    `by_person` marks one that a person moved there, `split_from` the incident it was taken from.
    """

    thing: Thing
    incident: str
    probability: float = 1.0
    by_person: bool = False
    split_from: str | None = None


@dataclass
class Learnt:
    """How often things alert, and together.

    `alone` counts the alerts of each thing that nothing had triggered, over `n_weeks`; `seen` the
    incidents a thing was in, `together` those that both of a pair were in, `apart` how often people
    split the two more than they merged them, times `WEIGHT_OF_WORD`: one split outweighs so many
    incidents in which they were together, and divides by twenty what chance is left. `n_things` can
    alert in all.
    """

    n_weeks: float = 0.0
    n_things: int = 1
    alone: dict[Thing, float] = field(default_factory=dict)
    seen: dict[Thing, float] = field(default_factory=dict)
    together: dict[tuple[Thing, Thing], float] = field(default_factory=dict)
    apart: dict[tuple[Thing, Thing], float] = field(default_factory=dict)
    needs: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def chance_a_minute(self, thing: Thing) -> float:
        """How often a thing alerts for reasons of its own; of a rare one, what all do."""
        everything = (sum(self.alone.values()) + 1) / (self.n_weeks + 1) / max(self.n_things, 1)
        own = self.alone.get(thing, 0.0) + CHANCE_WEEKS * everything
        return own / (self.n_weeks + CHANCE_WEEKS) / MINUTES_A_WEEK

    def together_with(self, one: Thing, other: Thing, *, akin: bool = False) -> float:
        """The chance that `other` alerts in an incident in which `one` does.

        They are `akin` where more than their own names says so.

        >>> vpn, shop = Thing("surge", "VPN"), Thing("surge", "Shop")
        >>> errors, auth = Thing("metric", "vpn.errors"), Thing("metric", "auth.errors")
        >>> learnt = Learnt(n_things=50)
        >>> learnt.together_with(vpn, errors), learnt.together_with(vpn, auth)
        (0.4, 0.006)
        >>> learnt.seen[vpn], learnt.together[vpn, auth] = 4.0, 3.0
        >>> round(learnt.together_with(vpn, auth), 2), round(learnt.together_with(vpn, shop), 3)
        (0.5, 0.002)
        """
        before = self.before_learning(one, other, akin=akin)
        if one == other:
            return before
        apart = max(self.apart.get((one, other), 0.0), 0.0)
        known = max(self.together.get((one, other), 0.0) - apart, 0.0)
        chance = (known + PRIOR * before) / (self.seen.get(one, 0.0) + PRIOR)
        return chance * math.exp(-apart)

    def related(self, one: Thing, other: Thing, *, akin: bool = False) -> bool:
        """Whether anything but time can speak for two things being of one fault."""
        known = self.together.get((one, other), 0.0)
        return known > 0 or self.before_learning(one, other, akin=akin) >= NEEDED

    def before_learning(self, one: Thing, other: Thing, *, akin: bool = False) -> float:
        """What names alone say of how likely two things alert together."""
        if one == other:
            return SAME
        if TOTAL in (one.name, other.name) and one.kind == other.kind == "surge":
            return NAMED
        if akin or shared_name(one.name, other.name):
            return NAMED
        if self.depend(one.name, other.name):
            return NEEDED
        return min(NAMED, UNRELATED / max(self.n_things, 1))

    def depend(self, one: str, other: str) -> bool:
        """Whether one of two is of a service that the other's needs."""
        return any(
            shared_name(a, service) and any(shared_name(b, need) for need in needs)
            for a, b in ((one, other), (other, one))
            for service, needs in self.needs.items()
        )


def learn(
    past: Iterable[Past],
    n_weeks: float,
    n_things: int,
    needs: Mapping[str, frozenset[str]] | None = None,
) -> Learnt:
    """What alerts that were assigned say; those of dismissed incidents are left out by the caller.

    The first alert of an incident, which nothing had triggered, has a probability of 0 here.

    >>> vpn, auth = Thing("surge", "VPN"), Thing("metric", "auth.errors")
    >>> learnt = learn([Past(vpn, "i1", 0.0), Past(auth, "i1", 0.9)], n_weeks=4, n_things=50)
    >>> learnt.together[vpn, auth], round(learnt.alone[vpn], 1), round(learnt.alone[auth], 1)
    (0.9, 1.0, 0.1)
    """
    incidents: dict[str, list[Past]] = {}
    for one in past:
        incidents.setdefault(one.incident, []).append(one)
    learnt = Learnt(n_weeks, n_things, needs=needs or {})
    for id, members in incidents.items():
        weights = weights_of(members)
        for thing, weight in weights.items():
            add(learnt.seen, thing, weight)
            for other, its in weights.items():
                if other != thing:
                    add(learnt.together, (thing, other), min(weight, its))
        for one in members:
            add(learnt.alone, one.thing, 0.0 if one.by_person else 1 - one.probability)
            if one.by_person:
                said = WEIGHT_OF_WORD if one.split_from else -WEIGHT_OF_WORD
                for other in {left.thing for left in incidents.get(one.split_from or id, ())}:
                    if other != one.thing:
                        add(learnt.apart, (one.thing, other), said)
                        add(learnt.apart, (other, one.thing), said)
    return learnt


def weights_of(members: Sequence[Past]) -> dict[Thing, float]:
    """How much each thing in an incident counts: the first fully, others as they are likely."""
    weights: dict[Thing, float] = {}
    for number, one in enumerate(members):
        weight = WEIGHT_OF_WORD if one.by_person else 1.0 if number == 0 else one.probability
        weights[one.thing] = max(weights.get(one.thing, 0.0), weight)
    return weights


def add(counts: dict, key: object, weight: float) -> None:  # type: ignore[type-arg]
    """Count something that may be new."""
    counts[key] = counts.get(key, 0.0) + weight


def lag_density(lag: float, lasted: float, *, again: bool = False, related: bool = True) -> float:
    """How likely a minute is, counted from an alert, for another of the same fault to open in.

    `lag` is in minutes, below 0 where the other opened before; the alert has `lasted` as long, so
    far. With `again` it is the same thing that opens once more. What is not known to be `related`
    comes near in time or for reasons of its own.

    >>> lag_density(0, 60) > lag_density(30, 60) > lag_density(90, 180) > 0
    True
    >>> lag_density(-40, 60), lag_density(200, 60)
    (0.0, 0.0)
    """
    if lag < -BEFORE or lag > lasted + (AGAIN if again else QUIET):
        return 0.0
    near = 2 - math.exp(-BEFORE / FADING) - math.exp(-AFTER / FADING)
    density = 0.0
    if lag <= AFTER:
        density = (1 - LATER) * math.exp(-abs(lag) / FADING) / (FADING * near)
    if lag >= 0 and related:
        density += LATER / (AGAIN if again and lag > AFTER else LASTING)
    return density


class Joined(NamedTuple):
    """Where an alert belongs: to no incident that is there, or to one; what speaks most for that.

    `probability` is that of the incident it belongs to, of the likeliest one where it belongs to
    none.
    """

    incident: str | None
    probability: float
    by: Alert | None = None


def join(alert: Alert, incidents: Mapping[str, Sequence[Alert]], learnt: Learnt) -> Joined:
    """Where an alert belongs, among incidents that are not over: their alerts by their id.

    >>> from datetime import UTC, datetime
    >>> told = {"score": 9, "threshold": 4, "observed": 9, "expected": 1, "lower": 0, "upper": 3}
    >>> told |= {"desk": "it", "why": "", "detector": ""}
    >>> nine, step = datetime(2026, 3, 2, 9, tzinfo=UTC), timedelta(minutes=11)
    >>> errors = Alert(id="a", kind="metric", key="vpn.errors", opened_at=nine, **told)
    >>> tickets = Alert(id="b", kind="surge", key="VPN", opened_at=nine + step, **told)
    >>> found = join(tickets, {"i1": [errors]}, Learnt(n_weeks=8, n_things=50))
    >>> found.incident, found.probability > 0.95, found.by.key
    ('i1', True, 'vpn.errors')
    """
    thing = thing_of(alert)
    rates = {
        id: [rate(one, alert, thing, learnt) for one in members]
        for id, members in incidents.items()
    }
    total = learnt.chance_a_minute(thing) + sum(map(sum, rates.values()))
    best = max(rates, key=lambda id: sum(rates[id]), default=None)
    if best is None:
        return Joined(None, 0.0)
    probability = sum(rates[best]) / total
    strongest = max(zip(rates[best], incidents[best], strict=True), key=lambda pair: pair[0])[1]
    return Joined(best if probability >= JOINED else None, probability, strongest)


def rate(one: Alert, alert: Alert, thing: Thing, learnt: Learnt) -> float:
    """Alerts such as this one a minute that the fault behind `one` brings about when it opened."""
    at = alert.opened_at
    lag = (at - one.opened_at) / timedelta(minutes=1)
    until = at if one.closed_at is None or one.closed_at > at else one.closed_at
    lasted = max((until - one.opened_at) / timedelta(minutes=1), 0.0)
    own = thing_of(one)
    is_akin = akin(one, alert)
    related = learnt.related(own, thing, akin=is_akin)
    density = lag_density(lag, lasted, again=own == thing, related=related)
    return learnt.together_with(own, thing, akin=is_akin) * density if density else 0.0
