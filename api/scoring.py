"""Tickets scored by a desk's champion, together with those of other requests, and counted."""

from collections.abc import Mapping, Sequence

from api.answers import Scored
from api.champion import Champion
from api.service import Service
from api.shadow import Answered, TicketName


async def scored_by(
    service: Service,
    champion: Champion,
    columns: Mapping[str, Sequence[str]],
    names: Sequence[TicketName] | None = None,
) -> list[Scored]:
    """What is said of each ticket, in their order; `names` are those of the tickets."""
    found = await service.batcher.score(champion, columns)
    note(service, Answered(champion, columns, found, names))
    return found


def note(service: Service, answered: Answered) -> None:
    """Add what was said to the figures of the desk; a challenger may score the tickets, too."""
    champion, found = answered.champion, answered.found
    for target in champion.triage.targets:
        decisions = (one.targets[target]["decision"] for one in found)
        service.figures.count_decisions(champion.desk, target, decisions)
    service.figures.count_tiers(champion.desk, (one.tier for one in found))
    service.traffic.note(champion, found)
    if service.champions.get(champion.desk) is champion:  # else the caller insists on a version
        service.shadows.offer(answered)
