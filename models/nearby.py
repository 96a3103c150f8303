"""A desk's tickets, open and closed, as its model reads them: which are nearest to one."""

from collections.abc import Iterable, Mapping, Sequence
from copy import copy

import numpy as np

from features.embedding import Keep, Meaning
from features.text import Fields, TextFeatures
from models.similar import FOLDED, LIMIT, Duplicate, Similar, duplicates, folded
from models.triage import Triage


class Nearby:
    """Open and closed tickets apart, so that among many closed ones no open one is overlooked.

    Tickets are read by the model's encoder, column by column as the model does, or, where it has
    none, by their words, folded. As in `Similar`, calls to `put`, `remove` and the searches must
    not overlap; `read` may go on beside them.

    Parameters
    ----------
    model
        Says how tickets are read.
    keep
        May know some of the encoder's vectors already: see `Encoder`. The model's own encoder
        is left without it.
    limit
        Of more open tickets, and of more closed ones, those put longest ago are forgotten.

    Examples
    --------
    >>> titles = ["printer jam", "printer broken", "old printer", "vpn down", "vpn slow", "my vpn"]
    >>> labels = {"group": (["print"] * 3 + ["net"] * 3) * 3}
    >>> model = Triage().fit({"title": titles * 3}, labels, ordered=False)
    >>> nearby = Nearby(model)
    >>> vectors = nearby.read({"title": ["printer jam", "vpn down", "vpn slow"]})
    >>> nearby.put(["INC1", "INC2", "INC3"], vectors, is_open=[False, False, True])
    >>> nearby.nearest(vectors[1], 1), [name for name, _ in nearby.nearest_open(vectors[1], 5)]
    ([('INC2', 1.0)], ['INC3'])
    """

    def __init__(self, model: Triage, *, keep: Keep | None = None, limit: int = LIMIT) -> None:
        self.reader = reader_of(model, keep)
        self.columns = self.reader.columns
        self.open = Similar(self.n_dimensions, limit=limit)
        self.closed = Similar(self.n_dimensions, limit=limit)

    @property
    def n_dimensions(self) -> int:
        """Length of a ticket's vector."""
        return self.reader.n_features if isinstance(self.reader, Meaning) else FOLDED

    def __len__(self) -> int:
        return len(self.open) + len(self.closed)

    def reads_as(self, model: Triage) -> bool:
        """Whether `model` gives the same vectors: then nothing has to be read anew for it."""
        if isinstance(self.reader, Meaning) and model.meaning is not None:
            here, there = self.reader, model.meaning
            return (here.encoder.id, here.columns) == (there.encoder.id, there.columns)
        return self.reader is model.features and model.meaning is None

    def read(self, fields: Fields) -> np.ndarray:
        """Vectors (n_tickets, n_dimensions) of tickets, for `put` or for a search."""
        if isinstance(self.reader, Meaning):
            return self.reader.transform(fields)
        return folded(self.reader.transform(fields))

    def put(self, ids: Sequence[str], vectors: np.ndarray, is_open: Sequence[bool]) -> None:
        """Know tickets (n_tickets) by their vectors, each as open or closed from now on."""
        which = np.array(is_open, dtype=bool)
        self.remove(ids)
        for side, rows in ((self.open, which), (self.closed, ~which)):
            side.add([ids[row] for row in np.flatnonzero(rows).tolist()], vectors[rows])

    def remove(self, ids: Iterable[str]) -> None:
        """Forget tickets; one that is not known is none."""
        for one in ids:
            self.open.remove([one])
            self.closed.remove([one])

    def nearest(self, vector: np.ndarray, k: int) -> list[tuple[str, float]]:
        """The k nearest tickets of both kinds to a vector (n_dimensions,), nearest first."""
        both = self.closed.search(vector, k) + self.open.search(vector, k)
        return sorted(both, key=lambda pair: -pair[1])[:k]

    def nearest_open(self, vector: np.ndarray, k: int) -> list[tuple[str, float]]:
        """The k nearest open ones."""
        return self.open.search(vector, k)

    def same(self, text: str, others: Mapping[str, str]) -> list[Duplicate]:
        """Those of the open tickets (id to text) that say what `text` says, the likest first."""
        return duplicates(text, others)

    def some(self, at: int, n: int) -> list[str]:
        """The n tickets from place `at` on, in an order that stays while none is put or removed."""
        closed = self.closed.ids[at : at + n]
        return closed + self.open.ids[max(0, at - len(self.closed)) :][: n - len(closed)]


def reader_of(model: Triage, keep: Keep | None = None) -> Meaning | TextFeatures:
    """What reads a model's tickets: its encoder, which shares with the model all but `keep`."""
    if model.meaning is None:
        return model.features
    meaning = copy(model.meaning)
    meaning.encoder = copy(meaning.encoder)
    meaning.encoder.keep = keep
    return meaning
