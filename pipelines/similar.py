"""Past tickets like one, looked for among those that the store holds."""

from data.masking import mask
from data.records import Ticket
from data.store import Store
from data.ticket_index import Near, TicketIndex
from data.vectors import vectors_of
from models.nearby import Nearby
from models.similar import LIMIT
from models.triage import Triage
from pipelines.console import Report, silent
from pipelines.workspace import Workspace

COLUMNS = ["ticket", "similarity", "closed", "labels", "what was done"]


def nearby_of(place: Workspace, model: Triage) -> Nearby:
    """What reads tickets as the model does; what its encoder has read before is kept."""
    keep = None
    if model.meaning is not None:
        encoder = model.meaning.encoder
        keep = vectors_of(place.settings.home, encoder.id, encoder.n_dimensions).of
    return Nearby(model, keep=keep)


def filled(place: Workspace, model: Triage, report: Report = silent) -> TicketIndex:
    """The desk's last tickets as the model reads them."""
    store, desk = place.store, place.settings.desk
    index = TicketIndex(desk, nearby_of(place, model), store.change_before(desk, LIMIT))
    n_tickets = store.n_changes(desk, index.after)
    if not n_tickets:
        raise LookupError(f"desk {desk!r} has no tickets; `forewarn ingest tickets FILE` first")
    while index.step(store):
        report(len(index.nearby), n_tickets)
    return index


def typed(text: str, columns: tuple[str, ...]) -> dict[str, list[str]]:
    """What a person typed, in the columns that are read: its first line is the title.

    >>> typed("VPN down\\nsince nine", ("title", "body"))
    {'title': ['VPN down'], 'body': ['since nine']}
    >>> typed("VPN down", ("notes",))
    {'notes': ['VPN down']}
    """
    title, _, body = mask(text).partition("\n")
    texts = {"title": title, "body": body} if "title" in columns else {columns[0]: mask(text)}
    return {name: [texts.get(name, "")] for name in columns}


def stored(store: Store, desk: str, external_id: str, source: str | None = None) -> Ticket:
    """The ticket of that id; LookupError where there is none, or one at each of several sources."""
    found = [
        ticket
        for ticket in store.tickets_called(desk, external_id)
        if source in (None, ticket.source)
    ]
    if not found:
        at = f" from {source!r}" if source else ""
        raise LookupError(f"desk {desk!r} has no ticket {external_id!r}{at}")
    if len(found) > 1:
        sources = ", ".join(ticket.source for ticket in found)
        raise LookupError(f"ticket {external_id!r} has several sources: say --source, of {sources}")
    return found[0]


def row_of(near: Near, corrected: dict[str, str]) -> list[str]:
    """A past ticket, under `COLUMNS`."""
    ticket = near.ticket
    labels = {**ticket.labels, **corrected}
    return [
        f"{ticket.external_id}  {ticket.title}".strip(),
        f"{near.similarity:.2f}",
        f"{ticket.resolved_at:%Y-%m-%d}" if ticket.resolved_at else "open",
        ", ".join(f"{name} {label}" for name, label in labels.items()) or "-",
        ticket.resolution or "-",
    ]
