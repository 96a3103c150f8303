"""The command line: `forewarn`, or `python -m pipelines`."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from data.settings import Settings, variable_of
from pipelines.commands import (
    audit,
    audit_log,
    delivery,
    detection,
    detectors,
    forecast,
    incidents,
    ingest,
    keys,
    maintenance,
    models,
    monitor,
    replays,
    report,
    running,
    similar,
    upkeep,
)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="""Triage help-desk tickets with a confidence that keeps its promise, and say that an
incident is going on before anyone has declared it.

A first way through: `forewarn ingest tickets FILE`, `forewarn ingest metrics FILE`,
`forewarn train --target category --promote`, `forewarn detect`, `forewarn serve`.
Or see it all on a simulated desk: `forewarn demo`.""",
)
app.add_typer(ingest.app, name="ingest")
app.add_typer(models.app, name="models")
app.add_typer(replays.replay, name="replay")
app.add_typer(incidents.app, name="incidents")
app.add_typer(maintenance.app, name="maintenance")
app.add_typer(detectors.app, name="detectors")
app.add_typer(keys.app, name="keys")
app.add_typer(upkeep.erase, name="erase")
for command in (
    audit.audit,
    audit_log.audit_log,
    models.train,
    models.score,
    similar.similar,
    detection.detect,
    detection.explain,
    forecast.forecast,
    report.report,
    delivery.deliver,
    monitor.monitor,
    running.serve,
    running.flows,
    running.demo,
    running.simulate,
    upkeep.status,
    upkeep.compact,
    upkeep.expire,
    upkeep.backup,
):
    app.command()(command)


@app.callback()
def settings(
    context: typer.Context,
    desk: Annotated[
        str | None, typer.Option(help="The desk to work for; FOREWARN_DESK otherwise.")
    ] = None,
    home: Annotated[
        Path | None, typer.Option(help="Where everything is kept; FOREWARN_HOME otherwise.")
    ] = None,
) -> None:
    # Written back, so that a server or a flow run that a command starts works for the same desk.
    for name, given in (("desk", desk), ("home", home)):
        if given is not None:
            os.environ[variable_of(name)] = str(given)
    context.obj = Settings.from_env(os.environ)
    for name, value in around(context.obj).items():
        os.environ.setdefault(name, value)


def around(settings: Settings) -> dict[str, str]:
    """How the tools that Forewarn runs on behave, where the environment does not say otherwise."""
    return {
        "PREFECT_HOME": str(settings.home / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": "WARNING",
        "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "DO_NOT_TRACK": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }


def main() -> None:
    """Run the command line; what a user can mend is said in one line, not in a traceback."""
    try:
        app()
    except mendable() as error:
        if os.environ.get("FOREWARN_LOG_LEVEL", "").upper() == "DEBUG":
            raise
        from rich.markup import escape

        from pipelines.console import err

        err.print(f"[red]forewarn:[/] {escape(said(error))}")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def mendable() -> tuple[type[Exception], ...]:
    """The errors that a user can mend. A database's are known once one was opened."""
    if "data.database" not in sys.modules:  # it is slow to load, and `--help` needs none
        return ValueError, LookupError, OSError
    from data.database import REFUSED

    return ValueError, LookupError, OSError, *REFUSED


def said(error: Exception) -> str:
    """What an error says, in one line.

    >>> said(KeyError("no version 7")), said(ValueError("wanted this,\\n   got that"))
    ('no version 7', 'wanted this, got that')
    """
    if isinstance(error, (ValueError, OSError)):
        text = str(error)
    elif isinstance(error, LookupError):
        text = str(error.args[0]) if error.args else type(error).__name__
    else:
        from data.database import refusal

        where = "see FOREWARN_HOME and FOREWARN_DATABASE_URL"
        text = f"the database refused: {refusal(error)}; {where}"
    return " ".join(text.split())


if __name__ == "__main__":
    main()
