"""A challenger scored in the shadow: named, ended, and held against the champion."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from data.challenger import Challenger, challenger
from data.published import end_shadow, open_published, pointer, shadow
from data.records import ServingWindow
from data.store_shadows import Judged, Pair
from models.compare import holm
from models.intervals import share as share_of
from models.shadow import (
    KINDS,
    Beside,
    Cost,
    Paired,
    beside,
    cost,
    differences,
    left,
    paired,
    verdict,
)
from models.traffic import percent, total
from models.triage import Triage
from pipelines.console import out, table
from pipelines.models import CHALLENGER, check_plain, opened
from pipelines.workspace import Workspace, model_name

if TYPE_CHECKING:
    from data.registry import Registry

MOST_SHOWN = 5
SEEN = ["target", "tickets", "same label", "champion", "challenger", "said otherwise"]
HEARD = ["target", "judged", "champion", "challenger", "lead", "95 % interval", "p", "verdict"]
ALONE = ["target", "champion alone", "wrong", "challenger alone", "wrong"]


LEANING = (
    "The lead is in points. People judge after they saw the champion's label, which leans their "
    "judgement towards it; a model that says nothing is not right."
)


class Compared(NamedTuple):
    """Two versions on the same tickets: what each said, and how often each was right."""

    pair: Pair
    named: Challenger | None  # None where the shadow is over
    seen: list[Beside]
    judged: dict[str, list[Judged]]
    cost: Cost
    left: Counter[str]


def start(registry: "Registry", home: Path, name: str, number: str, share: float) -> Challenger:
    """Have version `number` scored beside the champion; it is the @challenger from then on.

    Like a promotion it must be plain data and load. ValueError where there is nothing to hold it
    against: the champion's targets are others, or its texts too few.
    """
    with opened(registry, home, name, number) as model:
        new = Challenger(name, number, model.run_id, share, datetime.now(UTC))
        check_comparable(Triage.load(open_published(home, name).folder), check_plain(model.folder))
        new = shadow(home, new, model.folder)
    registry.set_alias(name, CHALLENGER, number)
    return new


def check_comparable(champion: Triage, challenger: Triage) -> None:
    """ValueError where the two cannot be compared on what the champion is given."""
    if not set(champion.targets) & set(challenger.targets):
        theirs, ours = (", ".join(one.targets) for one in (challenger, champion))
        raise ValueError(f"it tells {theirs}, the champion {ours}: there is nothing to compare")
    more = sorted(set(challenger.features.columns) - set(champion.features.columns))
    if more:
        raise ValueError(
            f"it reads {', '.join(more)}, which the champion is not given, and would be scored "
            "without; compare the two on stored tickets: `forewarn models compare`"
        )


def stop(home: Path, name: str) -> Challenger:
    """End the shadow; what it said stays."""
    found = end_shadow(home, name)
    if found is None:
        raise LookupError(f"no challenger of {name!r} is scored in the shadow")
    return found


def compared(place: Workspace) -> Compared | None:
    """The challenger that is scored now against what is served, else the last two that were."""
    home, desk, store = place.settings.home, place.settings.desk, place.store
    named, served = challenger(home, model_name(desk)), pointer(home, model_name(desk))
    windows = store.serving(named.since.replace(second=0, microsecond=0) if named else None)
    if named and served:
        pair = Pair(served.version, named.version)
    else:
        last = last_pair(windows, desk) or store.last_shadow(desk)
        if last is None:
            return None
        pair = last
    at = (desk, *pair)
    counts = total(one.figures for one in windows)
    judged: dict[str, list[Judged]] = {}
    for one in store.shadows(desk, pair):
        judged.setdefault(one.shadow.target, []).append(one)
    return Compared(
        pair,
        named,
        [one for one in beside(counts) if one[:3] == at],
        judged,
        cost(counts, at),
        left(counts).get(at, Counter()),
    )


def last_pair(windows: Sequence[ServingWindow], desk: str) -> Pair | None:
    """The champion and the challenger that were counted last."""
    for window in reversed(windows):
        for key in window.figures:
            if key[0] == "shadow_tickets" and key[1] == desk:
                return Pair(key[2], key[3])
    return None


def show(found: Compared, name: str) -> None:
    """Print how the two agree, who was right, and what each takes."""
    champion, theirs = found.pair
    out.print(f"{name}: version {theirs} in the shadow of version {champion}, {state_of(found)}")
    if found.left:
        told = ", ".join(f"{n:,} {reason}" for reason, n in found.left.items())
        out.print(f"Drawn and not scored: {told}")
    if not found.seen and not found.judged:
        out.print("No ticket has been scored by both yet")
        return
    if found.seen:
        table("What each said of the same tickets", SEEN, seen_rows(found))
    if rows := heard_rows(found.judged):
        table("Who was right, of the stored tickets that people have judged since", HEARD, rows)
        table("Of these, what each would have decided alone", ALONE, alone_rows(found.judged))
        out.print(LEANING)
    else:
        out.print("Too early to tell who is right: of the stored tickets none has a label yet")
    if found.cost.n:
        ours, other = found.cost.champion, found.cost.challenger
        out.print(
            f"CPU a ticket, each read alone: champion {ours:.1f} ms, challenger {other:.1f} ms "
            f"({found.cost.n:,} tickets)"
        )


def state_of(found: Compared) -> str:
    """How many tickets are drawn, and since when."""
    if found.named is None:
        return "which is over"
    return f"on {found.named.share:.3g} of the tickets since {found.named.since:%Y-%m-%d %H:%M} UTC"


def seen_rows(found: Compared) -> list[list[str]]:
    return [
        [
            one.target,
            f"{one.n:,}",
            with_interval(one.n_same, one.n),
            kinds(one.ours),
            kinds(one.theirs),
            "\n".join(f"{what} {n:,}" for what, n in otherwise(found.judged.get(one.target, []))),
        ]
        for one in found.seen
    ]


def otherwise(judged: Sequence[Judged]) -> list[tuple[str, int]]:
    """The commonest differences: champion's label → challenger's."""
    said = [(one.shadow.label, one.shadow.their_label) for one in judged]
    return differences(said, MOST_SHOWN)


def right(judged: Sequence[Judged]) -> Paired:
    """Of those that people judged. Who says nothing is not right."""
    known = [one for one in judged if one.truth is not None]
    return paired(
        [one.shadow.label == one.truth for one in known],
        [one.shadow.their_label == one.truth for one in known],
    )


def heard_rows(judged: Mapping[str, Sequence[Judged]]) -> list[list[str]]:
    """A row a target under `HEARD`, of targets that anybody judged."""
    found = {target: right(some) for target, some in sorted(judged.items())}
    found = {target: one for target, one in found.items() if one.n}
    ps = holm([one.p for one in found.values()])
    return [
        [
            target,
            f"{one.n:,}",
            f"{percent(one.n_champion / one.n)} ({one.lost:,} alone)",
            f"{percent(one.n_challenger / one.n)} ({one.won:,} alone)",
            f"{100 * one.lead:+.1f}",
            "{:+.1f} to {:+.1f}".format(*(100 * end for end in one.interval)),
            f"{p:.3f}",
            verdict(one, p),
        ]
        for (target, one), p in zip(found.items(), ps, strict=True)
    ]


def alone_rows(judged: Mapping[str, Sequence[Judged]]) -> list[list[str]]:
    """A row a target under `ALONE`: what each decided alone, and how much of it wrongly."""
    rows = []
    for target, some in sorted(judged.items()):
        known = [one for one in some if one.truth is not None]
        ours = [one.shadow.label == one.truth for one in known if one.shadow.decision == "auto"]
        theirs = [
            one.shadow.their_label == one.truth
            for one in known
            if one.shadow.their_decision == "auto"
        ]
        if known:
            told = ((f"{len(one):,}", f"{one.count(False):,}") for one in (ours, theirs))
            rows.append([target, *(text for pair in told for text in pair)])
    return rows


def with_interval(k: int, n: int) -> str:
    """A share of what was counted.

    >>> with_interval(45, 50)
    '90.0 % (78.6 to 95.7)'
    """
    low, high = (100 * end for end in share_of(k, n))
    return f"{percent(k / n)} ({low:.1f} to {high:.1f})"


def kinds(counts: Counter[str]) -> str:
    """How often each decision was made.

    >>> kinds(Counter(auto=3, abstain=1))
    '75.0 % auto, 25.0 % abstain'
    """
    told = ((kind, counts[kind]) for kind in KINDS if counts[kind])
    return ", ".join(f"{percent(n / counts.total())} {kind}" for kind, n in told)
