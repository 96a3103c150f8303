"""A copy of an installation, taken while it runs."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from data.history import History
from data.store import Store
from pipelines.workspace import Workspace

N_TRIES = 3
FOLDERS = ("history", "models", "mlflow-artifacts")


def back_up(place: Workspace, to: Path) -> int:
    """Copy store, history, models and MLflow's database into `to`; the bytes written.

    Compaction removes a file that it has replaced: where one went while it was to be copied, or
    the store's copy names one that is gone, the copy is taken anew.
    """
    if to.exists():
        raise ValueError(f"wanted a folder that does not exist yet, got {to}, which does")
    aside = to.with_name(f"{to.name}.partial")
    try:
        for attempt in range(1, N_TRIES + 1):
            shutil.rmtree(aside, ignore_errors=True)
            try:
                copy_all(place, aside)
                break
            except (shutil.Error, FileNotFoundError, LookupError):
                if attempt == N_TRIES:
                    raise
        aside.rename(to)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return sum(file.stat().st_size for file in to.rglob("*") if file.is_file())


def copy_all(place: Workspace, to: Path) -> None:
    """Copy both databases, and after them the files that they name."""
    to.mkdir(parents=True, mode=0o700)
    home = place.settings.home
    place.store.backup(to / "forewarn.db")
    if (home / "mlflow.db").exists():
        copy_sqlite(home / "mlflow.db", to / "mlflow.db")
    for folder in FOLDERS:
        if (home / folder).is_dir():
            shutil.copytree(home / folder, to / folder)
    for secret in home.glob("*.key"):
        shutil.copy2(secret, to / secret.name)
    check_history(to)


def check_history(copy: Path) -> None:
    """LookupError where the copied store names a file of points that was not copied."""
    store = Store(f"sqlite:///{copy / 'forewarn.db'}")
    try:
        missing = History(store.engine, copy / "history").missing()
    finally:
        store.close()
    if missing:
        raise LookupError(f"the history lacks {missing[0]}, which the database names")


def copy_sqlite(source: Path, to: Path) -> None:
    """Copy a SQLite file that others may be writing to."""
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(to)) as new:
        old.backup(new)
