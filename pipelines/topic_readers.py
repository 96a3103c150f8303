"""How tickets are read where new topics are looked for: for what they mean, or by their words."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol

import numpy as np

from data.published import open_published, pointer
from data.ticket_texts import joined, texts_of
from features.hashed import HashedWords
from pipelines.workspace import Workspace, model_name

PAST = timedelta(days=28)


class Reader(Protocol):
    """What reads tickets: the served model's encoder, or hashed words where it has none."""

    columns: tuple[str, ...]
    n_dimensions: int

    def read(self, fields: Mapping[str, Sequence[str]]) -> np.ndarray: ...


class WordReader:
    """Titles and bodies by their words, weighed by how many tickets before a day had each."""

    columns = ("title", "body")

    def __init__(self, texts: Iterable[str]) -> None:
        self.words = HashedWords().fit(texts)
        self.n_dimensions = self.words.n_dimensions

    def read(self, fields: Mapping[str, Sequence[str]]) -> np.ndarray:
        rows = zip(*(fields[name] for name in self.columns), strict=True)
        return self.words.transform([" ".join(row) for row in rows])


def midnight(day: date) -> datetime:
    """When a UTC day begins."""
    return datetime.combine(day, time(), UTC)


def served_version(place: Workspace) -> str:
    """The version of the model that is served; empty where none is."""
    found = pointer(place.settings.home, model_name(place.settings.desk))
    return found.version if found else ""


def reader_for(place: Workspace, version: str, day: date) -> Reader:
    """What reads the desk's tickets; words are weighed by the four weeks before a `day`."""
    settings = place.settings
    if version:
        from models.triage import Triage  # with scikit-learn, which words alone do not need
        from pipelines.similar import nearby_of

        served = open_published(settings.home, model_name(settings.desk))
        model = Triage.load(served.folder)
        if model.meaning is not None:
            return nearby_of(place, model)
    until = midnight(day)
    past = place.store.tickets(settings.desk, since=until - PAST, until=until)
    return WordReader(joined(texts_of(one), WordReader.columns) for one in past)
