"""The page of figures: one generated text, each section between two marks."""

import os
import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

HEAD = """# Benchmarks

What Forewarn claims, measured beside a baseline in the same run. `make bench` measures everything
anew and writes this page; `python -m benchmarks NAME` measures one section.
"""
SECTION = re.compile(r"<!-- (\w+) -->\n(.*?)<!-- /\1 -->", re.DOTALL)
GIGABYTE = 1024**3


def sections_of(page: str) -> dict[str, str]:
    """The text of each section of a page.

    >>> sections_of("<!-- a -->\\nOne.\\n<!-- /a -->\\n")
    {'a': 'One.\\n'}
    """
    return dict(SECTION.findall(page))


def page_of(texts: Mapping[str, str]) -> str:
    """The whole page, its sections in the order of `texts`."""
    parts = [f"<!-- {name} -->\n{text}<!-- /{name} -->\n" for name, text in texts.items()]
    return "\n".join([HEAD, *parts])


def put(path: Path, name: str, text: str, order: Sequence[str]) -> None:
    """Write one section's new text; the others stand as they were."""
    known = sections_of(path.read_text(encoding="utf-8")) if path.exists() else {}
    known[name] = text
    aside = path.with_suffix(".new")
    aside.write_text(page_of({one: known[one] for one in order if one in known}), encoding="utf-8")
    os.replace(aside, path)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows under their columns; all but the first stand to the right.

    >>> print(table(["seed", "found"], [["0", "1.00"]]))
    | seed | found |
    |---|---:|
    | 0 | 1.00 |
    <BLANKLINE>
    """
    marks = ["---", *["---:"] * (len(columns) - 1)]
    lines = [f"| {' | '.join(columns)} |", f"|{'|'.join(marks)}|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def machine() -> str:
    """What this was measured on, in words that name no machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIGABYTE
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores, {memory:.0f} GB, Python {platform.python_version()}"
