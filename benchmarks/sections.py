"""What stands on the page: each section's title, what it needs, and how it is measured."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks.page import table

PROSE = Path(__file__).parent / "prose"
MB = 1_000_000
NAB = "metrics/nab/data"


class Section(NamedTuple):
    """`needs` lie below the folder of reference data, which `measure` is given.

    `commands` are programs that it runs.
    """

    title: str
    needs: tuple[str, ...]
    measure: Callable[[Path], str]
    commands: tuple[str, ...] = ()


def told(name: str, **figures: object) -> str:
    """A section's words with its figures in them."""
    return (PROSE / f"{name}.md").read_text(encoding="utf-8").format(**figures)


def incidents(data: Path) -> str:
    from benchmarks import baselines, desks

    found, calm = desks.with_incidents(), desks.calm()
    return told(
        "incidents",
        deviations=baselines.DEVIATIONS,
        draws=desks.N_DRAWS,
        table=desks.markdown(found),
        calm=desks.calm_markdown(calm),
    )


def triage(data: Path) -> str:
    from benchmarks import triage as tickets

    found = list(tickets.rows(data))
    beyond = tickets.beyond_honest(found)
    return told("triage", table=tickets.markdown(found), beyond=beyond)


def promises(data: Path) -> str:
    from benchmarks import priority, promise

    return told(
        "promises",
        splits=promise.N_SPLITS,
        last=promise.N_SPLITS - 1,
        table=promise.markdown(list(promise.rows(data))),
        priority=priority.markdown([priority.derived_exactly(data)]),
    )


def unknown(data: Path) -> str:
    from benchmarks import unknown as kinds

    return told("unknown", draws=kinds.N_DRAWS, last=kinds.N_DRAWS - 1, table=kinds.measured(data))


def audit(data: Path) -> str:
    from benchmarks import audit as labels

    return told(
        "audit",
        controls=labels.controls_markdown(labels.controls(data)),
        **labels.copies(data),
        draws=labels.N_DRAWS,
        last=labels.N_DRAWS - 1,
        table=labels.markdown(list(labels.rows(data))),
    )


def similar(data: Path) -> str:
    from benchmarks import similar as nearest

    kinds, speeds = nearest.measured(data)
    return told(
        "similar", kinds=kinds, speeds=speeds, asked=nearest.N_ASKED, tickets=nearest.N_TICKETS
    )


def small(data: Path) -> str:
    from benchmarks import small as desk

    return told("small", draws=desk.N_DRAWS, last=desk.N_DRAWS - 1, table=desk.measured(data))


def metrics(data: Path) -> str:
    from benchmarks import detectors, nab

    found = nab.replayed(data)
    return told(
        "metrics",
        points=found.n_points,
        seconds=found.took.seconds,
        peak=found.took.peak_bytes / MB,
        nab=nab.markdown(found),
        kpis=table(KPI_COLUMNS, [*detectors.kpi_cells(data), *KPI_PUBLISHED]),
    )


def budgets(data: Path) -> str:
    from benchmarks import budgets as weekly

    return told("budgets", table=table(weekly.COLUMNS, weekly.rows(data)))


def surges(data: Path) -> str:
    from benchmarks import council
    from benchmarks import surges as desks
    from models.surge import WINDOW_MINUTES

    return told(
        "surges",
        clean=desks.N_CLEAN * (desks.WEEKS - desks.LEARNT_WEEKS),
        table=table(desks.COLUMNS, desks.table_rows()),
        tick=desks.tick(),
        streams=desks.STREAMS,
        windows=len(WINDOW_MINUTES),
        **council.measured(data)._asdict(),
    )


def joined(data: Path) -> str:
    from benchmarks import joined as together

    return told("joined", **together.measured())


def where_from(data: Path) -> str:
    from benchmarks import where as places

    return told("where", calm=places.N_CALM, table=table(places.COLUMNS, places.rows()))


def noufaily(data: Path) -> str:
    from benchmarks import noufaily as scenarios

    return told("noufaily", n=scenarios.N_SERIES, table=table(scenarios.COLUMNS, scenarios.rows()))


def topics(data: Path) -> str:
    from benchmarks import topics as new

    return told("topics", **new.measured(data))


def scale(data: Path) -> str:
    from benchmarks import scale as many

    rows, slopes = many.measured()
    return told("scale", table=table(many.COLUMNS, rows), slopes=slopes)


KPI_COLUMNS = (
    "29 KPIs, test parts", "event F1", "precision", "recall", "false pages a series-week",
    "point-adjusted F1", "recall at one", "its false pages",
)  # fmt: skip
KPI_PUBLISHED = [
    [f"{name}, published", "", "", "", "", score, "", ""]
    for name, score in (("FCVAE", "0.835"), ("FluxEV", "0.790"), ("SR-CNN", "0.771"))
]


def forecast(data: Path) -> str:
    from benchmarks import crossings, growth

    real = list(crossings.public(data / NAB))
    errors, wrong = crossings.markdown(list(crossings.answers()), real)
    return told(
        "forecast",
        shapes=len(growth.CROSSING | growth.CALM),
        last=crossings.SEEDS[-1],
        ahead=growth.AHEAD,
        errors=errors,
        wrong=wrong,
    )


def ingest(data: Path) -> str:
    from benchmarks import ingest as files

    return told(
        "ingest",
        points=files.N_POINTS,
        series=files.N_SERIES,
        tickets=files.N_TICKETS,
        table=files.markdown(list(files.rows())),
    )


def kills(data: Path) -> str:
    from benchmarks import kills as rounds

    table = rounds.markdown(rounds.verdicts())
    return told("kills", rounds=rounds.N_ROUNDS, table=table)


def remote_write(data: Path) -> str:
    from benchmarks import remote_write as written

    table = written.measured()
    return told("remote_write", series=f"{written.N_SERIES:,}", kills=written.N_KILLS, table=table)


def serving(data: Path) -> str:
    from benchmarks import serving as servers

    return told("serving", seconds=servers.SECONDS, **servers.measured(data)._asdict())


def besieged(data: Path) -> str:
    from benchmarks import besieged as endpoint
    from benchmarks.__main__ import say

    how = endpoint.SHORT if os.environ.get("FOREWARN_BENCH_SHORT") else endpoint.How()
    return told("besieged", **how._asdict(), **endpoint.measured(data, how, say)._asdict())


def worker_kills(data: Path) -> str:
    from benchmarks import worker_kills as killed
    from benchmarks.__main__ import say

    how = killed.SHORT if os.environ.get("FOREWARN_BENCH_SHORT") else killed.How()
    return told("worker_kills", kills=killed.measured(data, how, say))


def measures(data: Path) -> str:
    from benchmarks import measures as desk

    return told("measures", **desk.measured(data))


SECTIONS = {
    "incidents": Section("Incidents found on simulated desks", (), incidents),
    "joined": Section("Alerts joined into incidents, and their suspects", (), joined),
    "triage": Section(
        "Triage on public tickets",
        (
            "tickets/banking77_train.csv.gz",
            "tickets/banking77_test.csv.gz",
            "tickets/endava_it_tickets_subset.csv.gz",
            "tickets/nlbse24_issues_train.csv.gz",
            "tickets/nlbse24_issues_test.csv.gz",
        ),
        triage,
    ),
    "promises": Section(
        "Promises kept",
        (
            "tickets/banking77_train.csv.gz",
            "tickets/endava_it_tickets_subset.csv.gz",
            "tickets/nlbse24_issues_train.csv.gz",
            "tickets/uci_incident_event_log.csv.gz",
        ),
        promises,
    ),
    "unknown": Section(
        "Tickets of unknown kinds",
        ("tickets/banking77_train.csv.gz", "tickets/banking77_test.csv.gz"),
        unknown,
    ),
    "audit": Section(
        "Wrong labels, copies, and sets that cannot be learnt",
        (
            "tickets/banking77_train.csv.gz",
            "tickets/banking77_test.csv.gz",
            "tickets/endava_it_tickets_subset.csv.gz",
            "tickets/gitbugs_hadoop.csv.gz",
            "tickets/SYNTHETIC_kaggle_customer_support_tickets.csv.gz",
        ),
        audit,
    ),
    "similar": Section(
        "Similar past tickets",
        ("tickets/banking77_train.csv.gz", "tickets/banking77_test.csv.gz"),
        similar,
    ),
    "small": Section(
        "A small start",
        ("tickets/banking77_train.csv.gz", "tickets/banking77_test.csv.gz"),
        small,
    ),
    "metrics": Section(
        "Metric detector on public series",
        (
            "metrics/nab/data",
            "metrics/nab/labels/combined_windows.json",
            "metrics/aiops_kpi.parquet",
            "../tools/score_nab.py",
            "../tools/score_kpi.py",
        ),
        metrics,
    ),
    "forecast": Section("Time until a limit is crossed", (NAB,), forecast),
    "budgets": Section(
        "As many false alerts as were allowed", ("metrics/aiops_kpi.parquet",), budgets
    ),
    "surges": Section("Surges of tickets", ("surge/nycomplaints_daily.csv",), surges),
    "serving": Section(
        "Tickets scored over HTTP", ("tickets/endava_it_tickets_subset.csv.gz",), serving
    ),
    "besieged": Section(
        "The endpoint besieged", ("tickets/endava_it_tickets_subset.csv.gz",), besieged
    ),
    "worker_kills": Section(
        "Workers killed as tickets come", ("tickets/endava_it_tickets_subset.csv.gz",), worker_kills
    ),
    "noufaily": Section("Outbreaks in weekly counts", (), noufaily),
    "where": Section("Where surges come from", (), where_from),
    "topics": Section(
        "New topics",
        ("tickets/banking77_train.csv.gz", "tickets/banking77_test.csv.gz"),
        topics,
    ),
    "measures": Section(
        "Measures of a real desk", ("tickets/uci_incident_event_log.csv.gz",), measures
    ),
    "scale": Section("Many series: speed, memory and restart", (), scale),
    "ingest": Section("Ingest: speed and memory", (), ingest),
    "kills": Section("Killed at random moments", (), kills),
    "remote_write": Section("Prometheus remote-write", (), remote_write, ("prometheus",)),
}
