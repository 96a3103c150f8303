"""One alert's numbers, worked out again from what was kept when it fired."""

from data.records import Alert
from models.evidence import Again, Evidence, again, unpacked
from pipelines.alerts import short
from pipelines.console import out
from pipelines.workspace import Workspace


def wanted(place: Workspace, id: str) -> Alert:
    """The alert of this id, or of the only one that begins so."""
    alert = place.store.alert(id)
    if alert is not None:
        return alert
    known = place.store.alerts(desks=[place.settings.desk], limit=100_000)
    begins = [one for one in known if id and one.id.startswith(id)]
    if len(begins) == 1:
        return begins[0]
    found = "several alerts begin so" if begins else "no alert has this id"
    raise LookupError(f"{id!r}: {found}; the ops page and GET /v1/alerts list them with their ids")


def explained(place: Workspace, alert: Alert) -> tuple[Evidence, Again]:
    """What the alert's opening followed from, and the sum done again."""
    kept = place.store.evidence(alert.id)
    if kept is None:
        raise LookupError(f"nothing was kept of how alert {alert.id} came about; it is an old one")
    evidence = unpacked(kept)
    return evidence, again(evidence)


def say(alert: Alert, evidence: Evidence, done: Again) -> None:
    """Print it, the sum line by line."""
    out.print(f"[bold]{alert.id}[/]", end="  ")
    out.print(alert.summary, markup=False)
    made = ", ".join(
        f"{name.replace('_', ' ')} {value}" for name, value in evidence.made_with.items()
    )
    judged = done.judged
    for name, text in (
        ("judged at", f"{str(evidence.at).replace('T', ' ')} UTC, when it opened"),
        ("detector", f"{evidence.detector}, {made}"),
        ("observed", short(evidence.value)),
        ("expected", f"{short(judged.expected)}, {short(judged.lower)} to {short(judged.upper)}"),
        ("score", f"{judged.score:.9g}, it opens at {evidence.threshold:.9g}"),
        ("sha256", done.sha256),
    ):
        if "unknown" not in text:
            out.print(f"  {name:<10}{text}", markup=False)
    if done.same:
        out.print("  Worked out again just now: [green]the same to nine digits[/] as when it fired")
    else:
        out.print(f"  [red]Not what fired[/]: its sha256 was {evidence.sha256}")
        out.print(
            "  Another version of the detector, or another kind of machine, comes to other digits"
        )
