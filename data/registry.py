"""Where trainings and model versions are kept: MLflow, which nothing else here imports.

A version is a folder of plain files among the artifacts of its run. It has no MLflow flavour, so
nothing in it is ever unpickled, and `fetch` copies files and opens none.
"""

import csv
import hashlib
import io
import json
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.model_root import check_name
from data.published import manifest_of

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

MODEL = "model"  # the artifact folder that is the version itself
SQLITE = "sqlite:///"
FINGERPRINT = "forewarn.fingerprint"
SERVING = "serving"  # the experiment whose runs are processes of the endpoint
RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
N_METRICS_AT_ONCE, N_PARAMS_AT_ONCE = 1000, 100  # MLflow refuses more in one batch
Row = Mapping[str, object]


@dataclass(frozen=True)
class Version:
    """One registered model, with what was measured when it was trained and noted since."""

    name: str
    number: str
    run_id: str
    aliases: tuple[str, ...]
    created_at: datetime
    metrics: dict[str, float] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


class Registry:
    """The trainings and versions at one MLflow address, a database's URL or a server's.

    `artifacts` is the folder for the files; an MLflow server keeps them where it wants to.
    """

    def __init__(self, uri: str, artifacts: Path) -> None:
        # Read when MLflow is imported: without it each run would be reported to its makers.
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
        os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"  # we show our own
        from mlflow import MlflowClient  # 2 s of CPU, so only where it is needed

        logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
        if uri.startswith(SQLITE):
            _create(Path(uri.removeprefix(SQLITE)))
        self.uri = uri
        self.artifacts = artifacts
        self.client = MlflowClient(tracking_uri=uri, registry_uri=uri)

    def log_training(
        self,
        name: str,
        folder: Path,
        *,
        params: Mapping[str, object],
        metrics: Mapping[str, float],
        data_hash: str,
        tables: Mapping[str, Sequence[Row]] | None = None,
        figures: Mapping[str, bytes] | None = None,
        page: str = "",
    ) -> Version:
        """Keep a training and its model's `folder` as a new version of `name`, the @challenger.

        The same model of the same data and parameters stays one run and one version, so a
        training that was killed half way through this is mended by running it again.
        Metrics that are NaN are unknown, and left out. Tables become CSV, figures are PNG,
        `page` is HTML and becomes report.html.
        """
        check_name("name", name)
        params = {**params, "data_hash": data_hash}
        run = self._run(name, _fingerprint(folder, params))
        version = self._version_of(name, run)
        if version is None:
            self._log(run, params, metrics)
            with tempfile.TemporaryDirectory() as aside:
                _write_report(Path(aside), tables or {}, figures or {})
                if page:
                    (Path(aside) / "report.html").write_text(page, encoding="utf-8")
                for path in manifest_of(folder):
                    shutil.copyfile(folder / path, _at(Path(aside), f"{MODEL}/{_spelt(path)}"))
                self.client.log_artifacts(run.info.run_id, aside)
            version = self._register(name, run)
        self.client.set_terminated(run.info.run_id)
        self.client.set_registered_model_alias(name, "challenger", version)
        return self.version(name, version)

    def names(self) -> list[str]:
        """The models that have a version."""
        return sorted(model.name for model in _pages(self.client.search_registered_models))

    def versions(self, name: str) -> list[Version]:
        """Every version of `name`, the newest first; none for a name that is not known."""
        if name not in self.names():
            return []
        found = _pages(self.client.search_model_versions, filter_string=f"name='{name}'")
        aliases, metrics = self._aliases(name), self._metrics(name)
        versions = [_version(one, aliases, metrics.get(one.run_id, {})) for one in found]
        return sorted(versions, key=lambda version: -int(version.number))

    def version(self, name: str, number: str) -> Version:
        """One version of `name`; LookupError says which there are."""
        return among(self.versions(name), name, number)

    def by_alias(self, name: str, alias: str) -> Version | None:
        """The version of `name` that bears `alias` (champion, challenger), if one does."""
        return next((one for one in self.versions(name) if alias in one.aliases), None)

    def set_alias(self, name: str, alias: str, number: str) -> None:
        """Move `alias` to version `number`, which exists."""
        self.client.set_registered_model_alias(name, alias, self.version(name, number).number)

    def fetch(self, name: str, number: str, to: Path) -> Path:
        """Copy the files of a version into the folder `to`, opening none; gives `to` back."""
        from mlflow.exceptions import MlflowException

        run_id = self.version(name, number).run_id
        with tempfile.TemporaryDirectory() as aside:
            try:
                came = Path(self.client.download_artifacts(run_id, MODEL, aside))
            except MlflowException as error:
                raise LookupError(
                    f"the files of version {number} of {name!r} are not where the registry kept "
                    f"them ({self.artifacts}): bring that folder back, or train again"
                ) from error
            for path in manifest_of(came):
                shutil.copyfile(came / path, _at(to, _unspelt(path)))
        return to

    def table(self, version: Version, path: str) -> list[dict[str, str]]:
        """The rows of a table that was logged with a version; none where there is no such table."""
        run_id, place = version.run_id, f"tables/{_key(path)}.csv"
        if place not in {one.path for one in self.client.list_artifacts(run_id, "tables")}:
            return []
        with tempfile.TemporaryDirectory() as aside:
            came = Path(self.client.download_artifacts(run_id, place, aside))
            with came.open(newline="", encoding="utf-8") as file:
                return list(csv.DictReader(file))

    def note(self, name: str, number: str, key: str, value: str) -> None:
        """Keep a word with a version, such as why it was promoted; a later one takes its place."""
        self.client.set_model_version_tag(name, str(number), key, value)

    def log_serving(
        self,
        process: str,
        name: str,
        *,
        params: Mapping[str, object],
        steps: Sequence[tuple[int, datetime, Mapping[str, float]]],
    ) -> str:
        """Add to the run of a serving process what it did, as (step, time, metrics); its run's id.

        A step that is logged again stays one: for MLflow a value with the same name, step and
        time is the same value. A param keeps what it was first given.
        """
        from mlflow.entities import Metric, Param

        values = [
            Metric(_key(key), value, _millis(at), step)
            for step, at, metrics in steps
            for key, value in metrics.items()
        ]
        with self._told():
            run = self._run(SERVING, process, name)
            known = run.data.params
            told = [Param(_key(k), str(v)) for k, v in params.items() if _key(k) not in known]
            for some in _batches(told, N_PARAMS_AT_ONCE):
                self.client.log_batch(run.info.run_id, params=some)
            for batch in _batches(values, N_METRICS_AT_ONCE):
                self.client.log_batch(run.info.run_id, metrics=batch)
        return str(run.info.run_id)

    def end_serving(self, process: str, at: datetime) -> None:
        """End the run of a serving process, which did nothing after `at`."""
        with self._told():
            run = self._run(SERVING, process)
            self.client.set_terminated(run.info.run_id, end_time=_millis(at))

    def check_answers(self) -> None:
        """OSError where MLflow does not answer, at once and not after its many retries."""
        before = os.environ.get(RETRIES)
        os.environ[RETRIES] = "0"
        try:
            with self._told():
                self.client.search_experiments(max_results=1)
        finally:
            os.environ.pop(RETRIES)
            if before is not None:
                os.environ[RETRIES] = before

    @contextmanager
    def _told(self) -> Iterator[None]:
        """OSError, in a line, where MLflow cannot be told what the block tells it."""
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (MlflowException, SQLAlchemyError) as error:
            said = str(error).strip().partition("\n")[0]
            raise OSError(f"MLflow at {shown(self.uri)} cannot be told: {said[:200]}") from error

    def _run(self, experiment_name: str, fingerprint: str, name: str | None = None) -> "Run":
        experiment = self._experiment(experiment_name)
        query = f"tags.`{FINGERPRINT}` = '{fingerprint}'"
        for run in self.client.search_runs([experiment], query, max_results=1):
            return run
        tags = {FINGERPRINT: fingerprint}
        return self.client.create_run(experiment, tags=tags, run_name=name)

    def _experiment(self, name: str) -> str:
        known = self.client.get_experiment_by_name(name)
        if known is None:
            place = None if self.uri.startswith("http") else self.artifacts.absolute().as_uri()
            return self.client.create_experiment(name, artifact_location=place)
        if known.lifecycle_stage == "deleted":
            self.client.restore_experiment(known.experiment_id)
        return known.experiment_id

    def _log(self, run: "Run", params: Row, metrics: Mapping[str, float]) -> None:
        from mlflow.entities import Metric, Param

        told = [Param(key, str(value)) for key, value in params.items()]
        for some in _batches(told, N_PARAMS_AT_ONCE):
            self.client.log_batch(run.info.run_id, params=some)
        at = run.info.start_time  # fixed, so that logging twice leaves one value
        kept = [Metric(_key(key), value, at, 0) for key, value in metrics.items() if value == value]
        for some in _batches(kept, N_METRICS_AT_ONCE):
            self.client.log_batch(run.info.run_id, metrics=some)

    def _version_of(self, name: str, run: "Run") -> str | None:
        query = f"name='{name}' and run_id='{run.info.run_id}'"
        found = self.client.search_model_versions(query, max_results=1)
        return str(found[0].version) if found else None

    def _register(self, name: str, run: "Run") -> str:
        if name not in self.names():
            self.client.create_registered_model(name)
        source = f"{run.info.artifact_uri}/{MODEL}"
        return str(self.client.create_model_version(name, source, run.info.run_id).version)

    def _aliases(self, name: str) -> dict[str, list[str]]:
        aliases: dict[str, list[str]] = {}
        for alias, number in self.client.get_registered_model(name).aliases.items():
            aliases.setdefault(str(number), []).append(alias)
        return aliases

    def _metrics(self, name: str) -> dict[str, dict[str, float]]:
        experiment = self.client.get_experiment_by_name(name)
        if experiment is None:
            return {}
        runs = _pages(self.client.search_runs, experiment_ids=[experiment.experiment_id])
        return {run.info.run_id: dict(run.data.metrics) for run in runs}


def among(versions: Sequence[Version], name: str, number: str) -> Version:
    """Version `number` of these of `name`; LookupError says which there are."""
    for version in versions:
        if version.number == str(number):
            return version
    known = ", ".join(version.number for version in versions) or "none"
    raise LookupError(f"no version {number} of {name!r} in the registry; there are: {known}")


def _create(database: Path) -> None:
    """MLflow's tables, made aside: it cannot mend a database that was killed while it made them."""
    from mlflow.store.db import utils

    if database.exists():
        return
    database.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".mlflow-", dir=database.parent) as folder:
        aside = Path(folder) / database.name
        engine = utils.create_sqlalchemy_engine_with_retry(f"{SQLITE}{aside}")
        utils._initialize_tables(engine)
        engine.dispose()
        with suppress(FileExistsError):  # another process was first, and its database counts
            os.link(aside, database)


def shown(uri: str) -> str:
    """An address without the password in it.

    >>> shown("postgresql://ada:secret@db/mlflow")
    'postgresql://db/mlflow'
    """
    return re.sub(r"//[^/@]*@", "//", uri)


def _millis(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _version(
    found: "ModelVersion", aliases: Mapping[str, Sequence[str]], metrics: dict[str, float]
) -> Version:
    number = str(found.version)
    created_at = datetime.fromtimestamp(found.creation_timestamp / 1000, UTC)
    given = tuple(sorted(aliases.get(number, ())))
    notes = dict(found.tags)
    return Version(found.name, number, found.run_id, given, created_at, metrics, notes)


def _pages(search: Any, **query: Any) -> Iterator[Any]:
    token = None
    while True:
        page = search(page_token=token, **query)
        yield from page
        token = page.token
        if not token:
            return


def _batches(things: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(things), size):
        yield things[start : start + size]


def _fingerprint(folder: Path, params: Row) -> str:
    told = {key: str(value) for key, value in params.items()}
    text = json.dumps([manifest_of(folder), told], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _key(name: str) -> str:
    """What MLflow takes as a metric's name, with no empty step in its path.

    >>> _key("category/Q&A?/recall"), _key("category/../recall")
    ('category/Q_A_/recall', 'category/_./recall')
    """
    steps = [re.sub(r"[^\w.\- :]", "_", step).strip() for step in name.split("/")]
    return "/".join(re.sub(r"^(\.|$)", "_", step) for step in steps)


def _spelt(path: str) -> str:
    """A path without %, which MLflow takes for the start of an escaped letter.

    >>> _spelt("50%/a=b"), _unspelt(_spelt("50%/a=b"))
    ('50=25/a=3Db', '50%/a=b')
    """
    return path.replace("=", "=3D").replace("%", "=25")


def _unspelt(path: str) -> str:
    return path.replace("=25", "%").replace("=3D", "=")


def _write_report(
    folder: Path, tables: Mapping[str, Sequence[Row]], figures: Mapping[str, bytes]
) -> None:
    for path, rows in tables.items():
        _at(folder, f"tables/{_key(path)}.csv").write_text(_csv(rows), encoding="utf-8")
    for path, picture in figures.items():
        _at(folder, f"figures/{_key(path)}.png").write_bytes(picture)


def _at(folder: Path, path: str) -> Path:
    place = folder / path
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


def _csv(rows: Sequence[Row]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else [])
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
