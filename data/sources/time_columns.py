"""The time columns of one file, all read by one rule."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from data.sources.rejects import Rejects
from data.sources.tables import read_chunks
from data.sources.times import AMBIGUOUS, Order, date_order, parse_times, zone_of


class TimeColumns:
    """Parses times of `path`; 05/06/2026 is understood once any date in its column tells how.

    Only then is the file read a second time, up to the first date that tells.
    """

    def __init__(
        self, path: Path, timezone: str, time_format: str | None, encoding: str | None
    ) -> None:
        self.path = path
        self.zone = zone_of(timezone)
        self.time_format = time_format
        self.encoding = encoding
        self._orders: dict[str, Order | None] = {}

    def parse(self, column: str, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """(times, reasons) of `parse_times`."""
        times, reasons = self._parse(column, texts)
        if column not in self._orders and (reasons == AMBIGUOUS).any():
            self._orders[column] = date_order(self._texts(column))
            return self._parse(column, texts)
        return times, reasons

    def _parse(self, column: str, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        order = self._orders.get(column)
        return parse_times(texts, self.zone, order=order, time_format=self.time_format)

    def _texts(self, column: str) -> Iterator[str]:
        for chunk in read_chunks(self.path, rejects=Rejects(), encoding=self.encoding):
            yield from chunk.columns.get(column, [])
