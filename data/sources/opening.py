"""A file's bytes to lines of text: gzip unpacked, its encoding found."""

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

GZIP = b"\x1f\x8b"
PARQUET = b"PAR1"
ZIP = b"PK\x03\x04"
SUFFIXES = {".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".json", ".parquet", ".pq"}
BLOCK_BYTES = 1 << 20
MARKS = (  # the longer first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def find_files(path: Path) -> list[Path]:
    """`path` itself, or every table in the folder's tree, sorted; hidden ones are passed by."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise ValueError(f"no such file or folder: {path}")
    found = sorted(file for file in path.rglob("*") if file.is_file() and _is_table(file, path))
    if not found:
        wanted = ", ".join(sorted(SUFFIXES))
        raise ValueError(f"{path} holds no table: wanted a file ending in {wanted}, or these + .gz")
    return found


def _is_table(file: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    return not hidden and Path(file.name.lower().removesuffix(".gz")).suffix in SUFFIXES


def stem(path: Path) -> str:
    """A file's name without what tells its format.

    >>> stem(Path("metrics/cpu.web-1.csv.gz"))
    'cpu.web-1'
    """
    return Path(path.name.removesuffix(".gz")).stem


def head_of(path: Path) -> bytes:
    """The first block of what is in the file, unpacked; ValueError when nothing can be read."""
    if path.is_dir():
        raise ValueError(f"{path} is a folder: name a file in it")
    try:
        with open_bytes(path) as file:
            head = file.read(BLOCK_BYTES)
    except FileNotFoundError as error:
        raise ValueError(f"no such file: {path}") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is a broken gzip file: {error}") from error
    if not head.strip():
        raise ValueError(f"{path} is empty: wanted a table with a line of column names")
    if head.startswith(ZIP):
        raise ValueError(f"{path} is an Excel or ZIP file: save it as CSV, or unpack it")
    return head


def open_bytes(path: Path) -> BinaryIO:
    """The file, unpacked when it is gzip."""
    file = path.open("rb")
    if file.peek(2).startswith(GZIP):
        file.close()
        return gzip.open(path)
    return file


@contextmanager
def open_lines(path: Path, encoding: str | None) -> Iterator[TextIO]:
    """The file as text, line ends kept, in the encoding given or else found."""
    name = _known(encoding) if encoding else find_encoding(path)
    # cp1252 leaves five bytes undefined; only as the guess of last resort may it pass over them.
    errors = "replace" if name == "cp1252" and not encoding else "strict"
    with (
        open_bytes(path) as file,
        io.TextIOWrapper(file, encoding=name, errors=errors, newline="") as lines,
    ):
        try:
            yield lines
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{path} is not in {name}: {error.reason}; leave the encoding out to have it found"
            ) from error


def find_encoding(path: Path) -> str:
    """The encoding by its mark, else UTF-16 by its zeros, else UTF-8 if all fits, else cp1252."""
    head = head_of(path)
    for mark, name in MARKS:
        if head.startswith(mark):
            return name
    even, odd = head[0:4000:2].count(0), head[1:4000:2].count(0)
    if max(even, odd) > min(len(head), 4000) / 8:
        return "utf-16-be" if even > odd else "utf-16-le"
    return "utf-8" if _is_utf8(path) else "cp1252"


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with open_bytes(path) as file:
            while block := file.read(BLOCK_BYTES):
                decoder.decode(block)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is a broken gzip file: {error}") from error
    return True


def _known(encoding: str) -> str:
    try:
        return codecs.lookup(encoding).name
    except LookupError as error:
        raise ValueError(f"unknown encoding {encoding!r}; wanted one such as cp1252") from error
