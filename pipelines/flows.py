"""The steps as Prefect flows: named, retried, with artifacts, and on a schedule under `make up`.

Each flow is a page of verbs around plain functions that are tested without Prefect. Prefect
begins a process for each scheduled run, so this is one of the places where settings are read.
"""

import base64
import logging
import os
import time
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from prefect import Flow, Task, flow, serve, task
from prefect.artifacts import create_image_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Cron, Interval
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from prefect.types.entrypoint import EntrypointType

from data import replay_words
from data.history import Compacted
from data.receivers import receivers_of
from data.settings import Settings
from pipelines import compact as upkeep
from pipelines import deliver as sending
from pipelines import forecast as forecasting
from pipelines import ingest as ingestion
from pipelines import monitor as monitoring
from pipelines import replay as replaying
from pipelines import replays, watching
from pipelines import train as training
from pipelines.console import Report, silent
from pipelines.courier import Sent
from pipelines.in_force import in_force
from pipelines.measure import reliability_of
from pipelines.workspace import workspace

T = TypeVar("T")
RETRY_SECONDS = [1.0, 10.0, 60.0]
FORECAST_ROWS = 100
HOURLY = Interval(timedelta(hours=1))


class WithoutTracebacks(logging.Filter):
    """Leaves the traceback of a mistake in the input out of the log: its message says it all."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], (ValueError, LookupError)):
            record.exc_info = None
        return True


def settings() -> Settings:
    """The settings of the process that this run is."""
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        logging.getLogger(name).addFilter(WithoutTracebacks())
    return Settings.from_env(os.environ)


def may_mend_itself(step: Task, run: TaskRun, state: State) -> bool:
    """Whether trying again can help: bad input stays bad, a locked database does not."""
    error = state.result(raise_on_failure=False)
    return not isinstance(error, (ValueError, LookupError))


def step(what: str, work: Callable[[Report], T]) -> T:
    """Do `work` as a task of that name.

    The work carries its own arguments: Prefect would walk through every ticket of a list that
    is handed to a task, looking for other tasks' results in it.
    """
    return task(
        lambda: work(silent),
        name=what,
        task_run_name=what,
        retries=len(RETRY_SECONDS),
        retry_delay_seconds=RETRY_SECONDS,
        retry_condition_fn=may_mend_itself,
        cache_policy=NO_CACHE,
    )()


def at_once(run: Flow[..., T], *arguments: object) -> T:
    """Run a flow in this process, without the heartbeat: its thread would hold it for a second."""
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        return run(*arguments)


@flow(name="ingest", flow_run_name="ingest-{kind}", validate_parameters=False)
def ingest(
    kind: str,
    path: str,
    mapping: dict[str, str] | None = None,
    labels: list[str] | None = None,
    source: str | None = None,
) -> ingestion.Ingested:
    """Store the tickets or the metric points of a file."""
    with workspace(settings()) as place:
        if kind == "tickets":
            return step(
                "read and store tickets",
                lambda _: ingestion.ingest_tickets(
                    place, Path(path), source=source, mapping=mapping, label_columns=labels or ()
                ),
            )
        return step(
            "read and store points",
            lambda _: ingestion.ingest_points(place, Path(path), mapping=mapping),
        )


@flow(name="train", validate_parameters=False)
def train(recipe: training.Recipe, promoted: bool = False) -> training.TrainingReport:
    """Learn, measure and register a ticket model; promote it where that is asked for."""
    with workspace(settings()) as place:
        report = training.train(place, recipe, promoted=promoted, step=step)
    version = report.version
    create_table_artifact(
        key="training",
        table=[dict(zip(training.COLUMNS, row, strict=True)) for row in report.rows()],
        description=f"{version.name} version {version.number}, on tickets it had not seen",
    )
    for target, picture in reliability_of(report.measured).items():
        encoded = base64.b64encode(picture).decode()
        create_image_artifact(
            image_url=f"data:image/png;base64,{encoded}",
            key=f"reliability-{slug(target)}",
            description=f"Stated and true probability of {target}",
        )
    return report


@flow(name="retrain")
def retrain() -> None:
    """Train anew, from the stored tickets, what the served model predicts; promote nothing."""
    with workspace(settings()) as place:
        recipe = training.recipe_of_champion(place)
    if recipe is not None:
        train(recipe)


@flow(name="detect")
def detect(until: datetime | None = None) -> watching.Look:
    """Look at what came since the last look, and raise alerts."""
    with workspace(settings()) as place:
        found = step(
            "look at metrics and tickets",
            lambda _: watching.look(place, until or datetime.now(UTC), quiet=True),
        )
    if found.alerts:
        rows = [
            {"opened": alert.opened_at.isoformat(), "kind": alert.kind, "why": alert.why}
            for alert in found.alerts
        ]
        create_table_artifact(key="alerts", table=rows, description="Alerts opened or changed")
    return found


@flow(name="deliver")
def deliver() -> list[Sent]:
    """Send alerts to Alertmanager and to the webhook, and write decisions into desks' tickets."""
    with workspace(settings()) as place:
        return step("send alerts", lambda _: sending.drained(place))


@flow(name="monitor")
def monitor() -> monitoring.Taken:
    """Take what the endpoint did to MLflow."""
    with workspace(settings()) as place:
        done = step(
            "take what was served to MLflow",
            lambda _: monitoring.monitor(place, datetime.now(UTC)),
        )
    if done.trouble:
        logging.getLogger("prefect.flow_runs").warning(done.trouble)
    return done


@flow(name="forecast")
def forecast(until: datetime | None = None) -> forecasting.Foretold:
    """Say when series cross the limits of FOREWARN_LIMITS; nothing where it names none."""
    with workspace(settings()) as place:
        if not place.settings.limits:
            return forecasting.Foretold([], [])
        now = until or datetime.now(UTC)
        found = step(
            "forecast series against their limits",
            lambda report: forecasting.forecast_all(place, now, report),
        )
    lines = [
        dict(zip(forecasting.COLUMNS, row, strict=True))
        for row in forecasting.rows(found.crossings[:FORECAST_ROWS])
    ]
    create_table_artifact(key="forecast", table=lines, description="The soonest limits")
    return found


@flow(name="replay-tickets", validate_parameters=False)
def replay(asked: replays.Asked, budget: float | None = None) -> replays.Done:
    """Tell from a ticket file what each budget would have raised."""
    allowed = replaying.with_budget(in_force(settings()), budget)
    return told_as_table("replay-tickets", replays.replayed_tickets(allowed, asked, step))


@flow(name="replay-metrics", validate_parameters=False)
def replay_budgets(asked: replays.Asked | None = None, budget: float | None = None) -> replays.Done:
    """Tell what each budget would have raised: from files, or from the desk's own points."""
    allowed = replaying.with_budget(in_force(settings()), budget)
    done = replays.replayed(allowed, asked or replays.Asked(), step)
    return told_as_table("replay-metrics", done)


def told_as_table(key: str, done: replays.Done) -> replays.Done:
    """What was told, as a table of the run."""
    if done.ladder:
        names = replay_words.columns(done.ladder)
        rows = [dict(zip(names, row, strict=True)) for row in replay_words.budget_rows(done.ladder)]
        create_table_artifact(key=key, table=rows, description=replay_words.heading(done.ladder))
    return done


@flow(name="compact")
def compact() -> Compacted:
    """Move past days of points to Parquet, and delete what is past its time."""
    with workspace(settings()) as place:
        now, kept = datetime.now(UTC), place.settings.retention_days
        done = step("compact", lambda _: upkeep.compact_history(place, now))
        step("expire serving", lambda _: monitoring.expire(place, now))
        if kept:
            step("expire", lambda _: upkeep.expire_all(place, now - timedelta(days=kept)))
    return done


def slug(name: str) -> str:
    """A target's name as Prefect takes it for an artifact.

    >>> slug("Business_Service")
    'business-service'
    """
    return "".join(letter if letter.isalnum() else "-" for letter in name.lower())


def wait_for_server(api_url: str, seconds: float = 120.0) -> None:
    """Return once the Prefect server answers; OSError where it does not in that time."""
    until = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(f"{api_url}/health", timeout=5):
                return
        except OSError as error:
            if time.monotonic() > until:
                raise OSError(
                    f"no Prefect server answers at {api_url} ({error}); `make up` starts one"
                ) from error
            time.sleep(1)


def keep_schedules() -> None:
    """Run the flows on their schedules until stopped."""
    wait_for_server(settings().prefect_api_url)
    serve(*deployments(settings()), limit=3)


def deployments(settings: Settings) -> list[RunnerDeployment]:
    """Every flow, with its schedule where it has one.

    Prefect loads a flow by its module: by its file it would find `pipelines/models.py` where
    the flow means the package `models`. Alerts are sent each minute where somebody is to be told.
    """
    every_step = Interval(timedelta(seconds=max(settings.step_seconds, 60)))
    every_minute = Interval(timedelta(minutes=1)) if receivers_of(settings) else None
    by_module = EntrypointType.MODULE_PATH
    return [
        detect.to_deployment("live", schedule=every_step, entrypoint_type=by_module),
        forecast.to_deployment("hourly", schedule=HOURLY, entrypoint_type=by_module),
        deliver.to_deployment("alerts", schedule=every_minute, entrypoint_type=by_module),
        monitor.to_deployment(
            "serving", schedule=Interval(timedelta(minutes=5)), entrypoint_type=by_module
        ),
        compact.to_deployment("nightly", schedule=Cron("15 2 * * *"), entrypoint_type=by_module),
        retrain.to_deployment("weekly", schedule=Cron("30 3 * * 0"), entrypoint_type=by_module),
        ingest.to_deployment("on-demand", entrypoint_type=by_module),
        replay.to_deployment("on-demand", entrypoint_type=by_module),
        replay_budgets.to_deployment("on-demand", entrypoint_type=by_module),
    ]
