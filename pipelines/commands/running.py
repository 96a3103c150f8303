"""`forewarn serve`, `flows`, `simulate` and `demo`: things that run, and a desk to run them on."""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.shared import relative, settings_of


def serve(
    context: typer.Context,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes that share the port, each with its own model.")
    ] = 1,
) -> None:
    """Serve the scoring endpoint and the ops page.

    A worker keeps one core busy; more than the machine has cores bring nothing.
    Host and port are FOREWARN_HOST and FOREWARN_PORT. Every call needs a key
    (`forewarn keys create`) unless FOREWARN_OPEN_LOOPBACK=yes.
    """
    settings = settings_of(context)
    listen = ["--host", settings.host, "--port", str(settings.port)]
    many = ["--workers", str(workers)] if workers > 1 else []
    quiet = ["--no-server-header", "--log-level", settings.log_level.lower()]
    sys.stdout.flush()
    # A ticket's matrices are small: threads of one worker would only wait for each other's.
    environ = dict.fromkeys(THREADS, "1") | os.environ
    # The endpoint gets a process of its own: it must never carry what training loads.
    command = [sys.executable, "-m", "uvicorn", "serve:app", *DOOR, *listen, *many, *quiet]
    os.execve(sys.executable, command, environ)


def flows(context: typer.Context) -> None:
    """Keep the Prefect schedules: detect once a step, compact and expire nightly, train weekly.

    Needs a Prefect server (`make up` starts one) and PREFECT_API_URL.
    """
    from pipelines.flows import keep_schedules

    if not settings_of(context).prefect_api_url:
        raise ValueError(
            "wanted PREFECT_API_URL, the Prefect server's address, got none; "
            "`make up` starts a server and sets it"
        )
    keep_schedules()


def simulate(
    context: typer.Context,
    to: Annotated[
        Path, typer.Argument(help="A folder for tickets.csv, metrics.csv, incidents.csv.")
    ],
    seed: Annotated[int, typer.Option(help="The same seed gives the same files.")] = 0,
    weeks: Annotated[int, typer.Option(min=3, help="Weeks of history.")] = 8,
    tickets_a_week: Annotated[int, typer.Option(min=50, help="Size of the desk.")] = 3000,
    end: Annotated[datetime, typer.Option(help="Where the history ends, UTC.")] = datetime(
        2026, 3, 2
    ),
) -> None:
    """Write the files of a simulated desk, with incidents of known onset in the last two weeks."""
    from data.simulate import simulate as make
    from data.simulate import write
    from pipelines.console import out

    simulated = make(
        seed,
        end=end.replace(tzinfo=UTC),
        desk=settings_of(context).desk,
        weeks=weeks,
        tickets_a_week=tickets_a_week,
    )
    write(simulated, to)
    out.print(
        f"{len(simulated.tickets):,} simulated tickets, {len(simulated.points.values):,} points "
        f"and {len(simulated.incidents)} incidents stand in {relative(to.absolute())}"
    )


def demo(
    context: typer.Context,
    seed: Annotated[int, typer.Option(help="Which simulated desk.")] = 0,
) -> None:
    """Simulate a desk, ingest, train, detect two weeks, and show what was found and how soon.

    FOREWARN_HOME must be empty or an earlier demo's: `make demo` uses var/demo.
    """
    from pipelines.console import out
    from pipelines.demo import run

    settings = settings_of(context)
    run(settings, seed)
    out.print(f"\nWhat was found stands in {relative(settings.home)}; look at it with these:")
    out.print(NEXT.format(address=f"http://{settings.host}:{settings.port}"), soft_wrap=True)


DOOR = ("--http", "api.door:Door")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
NEXT = """
  curl {address}/healthz
  curl {address}/v1/alerts?limit=3
  curl {address}/v1/tickets/score -H 'Content-Type: application/json' \\
    -d '{{"title": "VPN drops every few minutes", "body": "Since this morning, on any wifi."}}'

  The incidents, with what speaks for each: {address}/ops/incidents
  The alerts, each with its chart: {address}/ops/alerts
"""
