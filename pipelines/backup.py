"""A copy of an installation, taken while it runs."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from pipelines.workspace import Workspace

FOLDERS = ("history", "models", "mlflow-artifacts")


def back_up(place: Workspace, to: Path) -> int:
    """Copy store, history, models and MLflow's database into `to`; the bytes written.

    The store goes first and names every Parquet file it needs. Compaction removes a file that it
    has replaced, so a copy that meets one gone is taken again from the start by the caller.
    """
    if to.exists():
        raise ValueError(f"wanted a folder that does not exist yet, got {to}, which does")
    aside = to.with_name(f"{to.name}.partial")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    home = place.settings.home
    place.store.backup(aside / "forewarn.db")
    for folder in FOLDERS:
        if (home / folder).is_dir():
            shutil.copytree(home / folder, aside / folder)
    for secret in home.glob("*.key"):
        shutil.copy2(secret, aside / secret.name)
    if (home / "mlflow.db").exists():
        copy_sqlite(home / "mlflow.db", aside / "mlflow.db")
    aside.rename(to)
    return sum(file.stat().st_size for file in to.rglob("*") if file.is_file())


def copy_sqlite(source: Path, to: Path) -> None:
    """Copy a SQLite file that others may be writing to."""
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(to)) as new:
        old.backup(new)
