"""One installation's store, history and registry, opened as its settings say."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from data.history import History
from data.settings import Settings
from data.store import Store

if TYPE_CHECKING:
    from data.registry import Registry


@dataclass(frozen=True)
class Workspace:
    """What a step works on."""

    settings: Settings
    store: Store
    history: History

    def rejects_path(self, source: Path) -> Path:
        """Where the rows of `source` that could not be read are written."""
        return self.settings.home / "rejects" / f"{source.name}.jsonl"

    def registry(self) -> "Registry":
        """The model registry; opened only by those who need it, since MLflow is slow to load."""
        from data.registry import Registry

        return Registry(self.settings.mlflow_uri, self.settings.home / "mlflow-artifacts")


@contextmanager
def workspace(settings: Settings) -> Iterator[Workspace]:
    """Open the store and the history that `settings` name, and close them at the end."""
    store = Store(settings.database_url)
    try:
        yield Workspace(settings, store, History(store.engine, settings.home / "history"))
    finally:
        store.close()


def model_name(desk: str) -> str:
    """The registered model of a desk.

    >>> model_name("it")
    'ticket-it'
    """
    return f"ticket-{desk}"
