"""Metric points of whole UTC days, each a Parquet file. Knows nothing of which files count."""

import os
import uuid
from collections.abc import Collection
from datetime import date
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

DAY_MS = 86_400_000
ROW_GROUP = 131_072  # so that one series out of thousands is found without reading a whole day


class Block(NamedTuple):
    """Points as columns: `codes` index `names`; `at` is int64 milliseconds since 1970."""

    names: list[str]
    codes: np.ndarray
    at: np.ndarray
    values: np.ndarray
    late: np.ndarray


def write_day(folder: Path, desk: str, day: date, block: Block) -> Path:
    """Write a day aside, so that nobody takes it for whole before `keep_day` has named it."""
    home = folder_of(folder, desk)
    home.mkdir(parents=True, exist_ok=True)
    aside = home / f"{day.isoformat()}.{uuid.uuid4().hex}.parquet.part"
    names = pa.array(block.names, pa.string())
    table = pa.table(
        {
            "series": pa.DictionaryArray.from_arrays(pa.array(block.codes, pa.int32()), names),
            "at": pa.array(block.at, pa.timestamp("ms", "UTC")),
            "value": pa.array(block.values, pa.float64()),
            "late": pa.array(block.late, pa.bool_()),
        }
    )
    with aside.open("wb") as file:
        pq.write_table(table, file, compression="zstd", row_group_size=ROW_GROUP)
        file.flush()
        os.fsync(file.fileno())
    return aside


def keep_day(aside: Path) -> Path:
    """Give the file its name, for good: it is on the disk when this returns."""
    kept = aside.rename(aside.with_suffix(""))
    descriptor = os.open(kept.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return kept


def read_day(path: Path, wanted: Collection[str] | None = None) -> Block:
    """The points of one file; with `wanted`, only of these series."""
    filters = None if wanted is None else [("series", "in", list(wanted))]
    with path.open("rb") as file:
        table = pq.read_table(file, filters=filters, read_dictionary=["series"])
    series = table.column("series").combine_chunks()
    if isinstance(series, pa.ChunkedArray):  # a table without rows has no chunk to combine
        series = pa.DictionaryArray.from_arrays(pa.array([], pa.int32()), pa.array([], pa.string()))
    return Block(
        series.dictionary.to_pylist(),
        series.indices.to_numpy(zero_copy_only=False).astype(np.int64),
        table.column("at").cast(pa.int64()).to_numpy(),
        table.column("value").to_numpy(),
        table.column("late").to_numpy(),
    )


def sweep(folder: Path, desk: str, kept: Collection[str]) -> int:
    """Remove what a killed run left: every file of the desk that is not `kept`; how many went."""
    orphans = [path for path in folder_of(folder, desk).glob("*.parquet*") if path.name not in kept]
    for path in orphans:
        path.unlink(missing_ok=True)
    return len(orphans)


def folder_of(folder: Path, desk: str) -> Path:
    """Where the days of a desk lie; whatever its name, that is a folder right under `folder`.

    >>> folder_of(Path("history"), "../it").as_posix()
    'history/%2E%2E%2Fit'
    """
    return folder / quote(desk, safe="").replace(".", "%2E")
