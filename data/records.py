"""What Forewarn knows about the world: frozen records, made of the standard library alone.

Every time is an aware UTC `datetime`. `desk` names the help desk (the tenant) that owns the record.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

Decision = Literal["auto", "suggest", "abstain"]
AlertKind = Literal["metric", "surge", "silent", "topic"]
SeriesStateName = Literal[
    "learning", "watching", "alerting", "flapping", "muted", "silent", "ended", "reporting"
]
AlertStatus = Literal["open", "acknowledged", "resolved", "false_alarm"]
IncidentState = Literal[
    "candidate", "proposed", "confirmed", "dismissed", "resolved", "watched", "closed", "merged"
]
CrossingState = Literal["crosses", "holds", "over", "unknown"]
Direction = Literal["up", "down"]


@dataclass(frozen=True, slots=True)
class Ticket:
    """One request to a help desk. (`desk`, `source`, `external_id`) is its identity.

    `labels` holds what the desk itself wrote (category, impact, ...), as given. `requester` is a
    keyed hash, never a name. A desk that writes no titles leaves `title` empty. `resolution` is
    what was done about it, in the words of whoever did it. `attributes` say where it comes from
    (site, device, app version, customer), never from whom. From `acknowledged_at` on stands how it
    was handled, None where the desk does not say: `csat` is what the requester thought of it, as
    given, and `first_contact` whether whoever answered first resolved it.
    """

    desk: str
    source: str
    external_id: str
    opened_at: datetime
    title: str = ""
    body: str = ""
    resolved_at: datetime | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    channel: str | None = None
    requester: str | None = None
    resolution: str = ""
    acknowledged_at: datetime | None = None
    first_response_at: datetime | None = None
    sla_due_at: datetime | None = None
    sla_met: bool | None = None
    first_contact: bool | None = None
    n_reopened: int | None = None
    n_reassigned: int | None = None
    csat: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Point:
    """One measured value of one metric series at one moment."""

    desk: str
    series: str
    at: datetime
    value: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model said about one target of one ticket.

    `label` is None where the model abstains; `probability` is then that of its best guess.
    """

    desk: str
    source: str
    external_id: str
    target: str
    label: str | None
    probability: float
    decision: Decision
    model: str
    version: str
    run_id: str
    scored_at: datetime


@dataclass(frozen=True, slots=True)
class Shadow:
    """What the champion answered on one target of one ticket, and what a challenger would have.

    `champion` and `challenger` are versions. What `their_` begins is the challenger's, and the rest
    as in `Prediction`.
    """

    desk: str
    source: str
    external_id: str
    target: str
    champion: str
    challenger: str
    label: str | None
    probability: float
    decision: Decision
    their_label: str | None
    their_probability: float
    their_decision: Decision
    scored_at: datetime


@dataclass(frozen=True, slots=True)
class Isolated:
    """Where a surge comes from: `n` of its `of` tickets have these attributes in common.

    `usual` in [0, 1] is the share of the four weeks before that had them; `chance` bounds how
    likely something stands out as much in a surge from everywhere.
    """

    attributes: Mapping[str, str]
    n: int
    of: int
    usual: float
    chance: float


@dataclass(frozen=True, slots=True)
class Alert:
    """One episode during which a series, or a kind of ticket, was not as it should be.

    `id` is fixed when the episode opens. `key` is the series or the category that opened it, and
    `members` are all that have joined since, `key` first: series of one `group_key`, which is the
    label that they share (`service="checkout"`), or `key` itself where there is none. `score`,
    `observed`, `expected`, `lower` and `upper` are those of `key` at `peak_at`, when the score was
    highest; `lower` to `upper` is what the detector would have called normal.
    `isolated` is where a surge comes from, None where it comes from everywhere or that is unknown.
    `closed_at` is None while the episode lasts, and `acknowledged_at` until a person says anything
    of it for the first time.
    """

    id: str
    desk: str
    kind: AlertKind
    key: str
    opened_at: datetime
    score: float
    threshold: float
    observed: float
    expected: float
    lower: float
    upper: float
    why: str
    detector: str
    peak_at: datetime | None = None
    closed_at: datetime | None = None
    n_tickets: int | None = None
    status: AlertStatus = "open"
    status_by: str | None = None
    status_at: datetime | None = None
    group_key: str = ""
    members: tuple[str, ...] = ()
    acknowledged_at: datetime | None = None
    isolated: Isolated | None = None

    @property
    def summary(self) -> str:
        """Why, and how many series more are like it."""
        n = len(self.members) - 1
        return self.why + (f"; and {n:,} more series of {self.group_key}" if n > 0 else "")


@dataclass(frozen=True, slots=True)
class SeriesState:
    """How one series stands for its detector, `since` when, and `until` when where that is known.

    learning (too little is known yet), watching, alerting, flapping (its alerts open and close
    again and again), muted, silent (no points come), ended (none came for a day). That points come
    again is written as reporting, and read as what its values are.
    """

    desk: str
    key: str
    state: SeriesStateName
    since: datetime
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Incident:
    """A fault that somebody declared, or that a simulator planted, with the time it truly began."""

    id: str
    desk: str
    title: str
    onset_at: datetime
    ended_at: datetime | None = None
    categories: tuple[str, ...] = ()
    series: tuple[str, ...] = ()
    origin: Literal["declared", "simulated"] = "declared"


@dataclass(frozen=True, slots=True)
class Suspect:
    """A service where an incident may have begun, never its cause: `share` of all suspicion.

    `evidence` are sentences, the strongest first. `url` leads to the change that was made to it.
    """

    service: str
    share: float
    evidence: tuple[str, ...] = ()
    url: str = ""


@dataclass(frozen=True, slots=True)
class DetectedIncident:
    """Alerts that tell of one fault, as one thing for people to talk about.

    `id` is fixed when it opens, at `opened_at`, with its first alert. A candidate has too little to
    bother anybody with; a proposed one has enough; confirmed and dismissed is what a person said,
    `confirmed_at` when they first did. It is resolved when its alerts have closed, or when a person
    says so; watched while they stay closed; closed after a day of quiet; merged into another one,
    `merged_into`, by a person. `priority` is P1 to P4, for the reason `priority_why`. `cause` and
    `fix` are a person's words.
    """

    id: str
    desk: str
    state: IncidentState
    opened_at: datetime
    title: str
    why: str
    priority: str
    priority_why: str
    n_tickets: int = 0
    state_at: datetime | None = None
    state_by: str | None = None
    confirmed_at: datetime | None = None
    proposed_at: datetime | None = None
    quiet_at: datetime | None = None
    merged_into: str | None = None
    cause: str = ""
    fix: str = ""
    suspects: tuple[Suspect, ...] = ()


@dataclass(frozen=True, slots=True)
class Membership:
    """That an alert is of a detected incident: how surely, because of what, and who says so.

    `probability` is 0 of the alert that opened it, which nothing else explained. `by` is the person
    who moved it there, None where nobody did, and `split_from` the incident they took it from.
    """

    alert_id: str
    desk: str
    incident_id: str
    probability: float
    because: str = ""
    by: str | None = None
    split_from: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """Something that was done to a service: a deployment, a flag, a new certificate."""

    id: str
    desk: str
    at: datetime
    title: str
    service: str = ""
    url: str = ""
    told_by: str = ""


@dataclass(frozen=True, slots=True)
class Maintenance:
    """A time in which some series, or kinds of tickets, wake nobody and teach nothing.

    `series` and `categories` are globs; where neither names any, all are meant. A `weekly` one
    comes again each week at the same time on the desk's clock. From `removed_at` on it holds no
    more.
    """

    id: str
    desk: str
    starts_at: datetime
    ends_at: datetime
    series: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    weekly: bool = False
    note: str = ""
    created_by: str = ""
    created_at: datetime | None = None
    removed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Feedback:
    """A person's correction: what one target of one ticket should have been."""

    desk: str
    source: str
    external_id: str
    target: str
    label: str
    given_at: datetime
    given_by: str


@dataclass(frozen=True, slots=True)
class Trace:
    """What the chart of an alert draws: one value of each line for each of `times`, None for a gap.

    >>> from datetime import UTC
    >>> Trace("a1", (datetime(2026, 1, 5, tzinfo=UTC),), (9.0,), (1.0,), (0.0,), (2.0, 2.0))
    Traceback (most recent call last):
    ...
    ValueError: trace of alert a1: wanted as many values as times (1), got upper with 2
    """

    alert_id: str
    times: tuple[datetime, ...]
    observed: tuple[float | None, ...]
    expected: tuple[float | None, ...]
    lower: tuple[float | None, ...]
    upper: tuple[float | None, ...]

    def __post_init__(self) -> None:
        for name in ("observed", "expected", "lower", "upper"):
            if len(getattr(self, name)) != len(self.times):
                raise ValueError(
                    f"trace of alert {self.alert_id}: wanted as many values as times "
                    f"({len(self.times)}), got {name} with {len(getattr(self, name))}"
                )


@dataclass(frozen=True, slots=True)
class Fan:
    """What the chart of a forecast draws: `values` that came, and five quantiles of what may come.

    A row of `quantiles` has those of 2.5, 10, 50, 90 and 97.5 % at one of the times `ahead`.
    """

    past: tuple[datetime, ...] = ()
    values: tuple[float, ...] = ()
    ahead: tuple[datetime, ...] = ()
    quantiles: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Crossing:
    """When a series crosses a limit, as forecast `at`.

    The five times are seconds from `at`: None where the limit is not crossed within the horizon
    with that probability, and all None where `state` is "unknown". `lower_80` to `upper_80` hold
    the crossing with 80 %. `chance` is the probability to cross within the horizon, None if
    unknown. `cleaned_first` is that of a cleanup before both, None where none is a habit.
    """

    desk: str
    series: str
    limit: float
    direction: Direction
    horizon_seconds: float
    at: datetime
    state: CrossingState
    now: float | None
    median: float | None
    lower_80: float | None
    upper_80: float | None
    lower_95: float | None
    upper_95: float | None
    chance: float | None
    cleaned_first: float | None = None
    n_resets: int = 0
    last_reset_at: datetime | None = None
    why: str = ""
    name: str = ""
    unit: str = ""
    fan: Fan = Fan()

    @property
    def crosses_at(self) -> datetime | None:
        """When it is as likely as not to have crossed; None where `median` is."""
        return None if self.median is None else self.at + timedelta(seconds=self.median)


@dataclass(frozen=True, slots=True)
class ServingWindow:
    """What a process of the endpoint did in the minute from `at` on; `models.traffic` has the keys.

    `process` names it among all that ever ran. `is_last` is the window in which it ended.
    """

    process: str
    at: datetime
    host: str
    pid: int
    started_at: datetime
    forewarn: str
    figures: Mapping[tuple[str, ...], float]
    is_last: bool = False


@dataclass(frozen=True, slots=True)
class ServingFirst:
    """What a version said of the first tickets that it scored, in windows up to `until`."""

    until: datetime
    figures: Mapping[tuple[str, ...], float]
