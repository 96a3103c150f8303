"""Rows of a Parquet file, as text."""

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.sources.chunk import Chunk, unique_names


def read_parquet(path: Path, *, chunk_rows: int) -> Iterator[Chunk]:
    """The rows in order; a time with zone is written in UTC, a nested value as JSON."""
    try:
        file = pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path} cannot be read as Parquet: {error}") from error
    n_before = 0
    with file:
        names = unique_names(file.schema_arrow.names)
        if not file.metadata.num_rows:
            yield Chunk({name: [] for name in names}, [])
        for batch in file.iter_batches(batch_size=chunk_rows):
            texts = [to_texts(column) for column in batch.columns]
            lines = list(range(n_before + 1, n_before + 1 + batch.num_rows))
            yield Chunk(dict(zip(names, texts, strict=True)), lines)
            n_before += batch.num_rows


def to_texts(column: pa.Array) -> list[str]:
    """A column as text, "" where it is null.

    >>> to_texts(pa.array([1.5, 2e9, None]))
    ['1.5', '2000000000', '']
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        return to_texts(column.dictionary_decode())
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        utc = column.cast(pa.timestamp(kind.unit, "UTC")).cast(pa.timestamp(kind.unit))
        return pc.binary_join_element_wise(utc.cast(pa.string()), "Z", "").fill_null("").to_pylist()
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return ["" if v is None else json.dumps(v, default=str) for v in column.to_pylist()]
    if pa.types.is_floating(kind):
        return ["" if v is None else _number(v) for v in column.to_pylist()]
    return column.cast(pa.string()).fill_null("").to_pylist()


def _number(value: float) -> str:
    """Whole numbers without a fraction: pandas makes unix seconds floats when one is missing."""
    whole = value.is_integer() and abs(value) < 1e18
    return str(int(value)) if whole else repr(value)
