"""Any table, whatever its format and encoding, in chunks of text columns."""

from collections.abc import Iterator
from pathlib import Path

from data.sources.chunk import Chunk
from data.sources.csv_rows import read_csv
from data.sources.json_rows import read_json_array, read_json_lines
from data.sources.opening import PARQUET, head_of, open_lines
from data.sources.rejects import Rejects


def read_chunks(
    path: Path, *, rejects: Rejects, encoding: str | None = None, chunk_rows: int = 5000
) -> Iterator[Chunk]:
    """The rows of a CSV, JSON or Parquet file, in order; what cannot be read goes to `rejects`.

    The format is told by the content, so a wrong suffix does no harm. There is always a first
    chunk, be it without rows: it tells the columns.
    """
    if head_of(path).startswith(PARQUET):
        from data.sources.parquet_rows import read_parquet  # pyarrow, which the others can spare

        yield from read_parquet(path, chunk_rows=chunk_rows)
        return
    with open_lines(path, encoding) as lines:
        first = lines.read(1000).lstrip()[:1]
        lines.seek(0)
        if first == "[":
            yield from read_json_array(path, lines.read(), rejects=rejects, chunk_rows=chunk_rows)
        elif first == "{":
            yield from read_json_lines(lines, rejects=rejects, chunk_rows=chunk_rows)
        else:
            yield from read_csv(path, lines, rejects=rejects, chunk_rows=chunk_rows)
