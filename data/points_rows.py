"""Rows of metric points put together, compared, and turned into a matrix."""

import numpy as np

from data.points_table import Rows


def joined(*parts: Rows) -> Rows:
    return Rows(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def last_of_each(rows: Rows) -> tuple[Rows, int, int]:
    """Rows by time, of equal series and moment the last; and how many same, changed were left."""
    order = np.lexsort((rows.ids, rows.at))  # stable: equal ones keep their order
    rows = rows.take(order)
    again = (rows.ids[1:] == rows.ids[:-1]) & (rows.at[1:] == rows.at[:-1])
    n_same = int((again & (rows.values[1:] == rows.values[:-1])).sum())
    return rows.take(np.append(~again, True)[: len(rows.at)]), n_same, int(again.sum()) - n_same


def compared(rows: Rows, known: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Which of `rows` are new, and which change a value. Of equal ones known, the last counts."""
    keys, order = known.keys(), np.argsort(known.keys(), kind="stable")
    place = np.searchsorted(keys[order], rows.keys(), side="right") - 1
    if not len(keys):
        return np.ones(len(rows.at), bool), np.zeros(len(rows.at), bool)
    nearest = order[np.maximum(place, 0)]
    there = (place >= 0) & (keys[nearest] == rows.keys())
    return ~there, there & (known.values[nearest] != rows.values)


def placed(ids: list[int | None], rows: Rows) -> Rows:
    """The rows of these series, each with its place among them for its id."""
    column = np.full(max((i for i in ids if i is not None), default=0) + 2, -1)
    for place, number in enumerate(ids):
        if number is not None:
            column[number] = place
    known = rows.take((rows.ids >= 0) & (rows.ids < len(column)))
    wanted = known.take(column[known.ids] >= 0)
    return wanted._replace(ids=column[wanted.ids])


def matrix_of(ids: list[int | None], parts: list[Rows]) -> tuple[np.ndarray, np.ndarray]:
    wanted = [placed(ids, part) for part in parts]
    times, rows = np.unique(np.concatenate([part.at for part in wanted]), return_inverse=True)
    matrix = np.full((len(times), len(ids)), np.nan)
    start = 0
    for part in wanted:  # a later part overwrites: the hot ones are the last
        matrix[rows[start : start + len(part.at)], part.ids] = part.values
        start += len(part.at)
    return times.astype("datetime64[ms]"), matrix
