"""`python -m benchmarks [NAME ...]`: measure what is claimed, and write docs/benchmarks.md."""

import argparse
import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import page
from benchmarks.sections import SECTIONS, Section

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "benchmarks.md"
BESIDE = Path("..") / "shared" / "data"  # where the reference data stands, seen from the checkout
EXAMPLE = """\
FOREWARN_DATA names the folder of reference data (tickets/, metrics/); without it ../shared/data
beside the checkout is taken. A section whose data is missing is left as it stands in the page.
Example: python -m benchmarks incidents kills"""


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Measure the sections that are named, or all; 0 where every one of them was measured."""
    given = parser().parse_args(arguments)
    data = Path(environ.get("FOREWARN_DATA") or os.path.relpath(ROOT / BESIDE))
    done = [measured(name, SECTIONS[name], data, given.page) for name in given.names or SECTIONS]
    return 0 if all(done) else 1


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure what Forewarn claims and write docs/benchmarks.md.",
        epilog=f"{sections()}\n\n{EXAMPLE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "names", metavar="NAME", nargs="*", type=known, help="sections to measure; all otherwise"
    )
    made.add_argument("--page", type=Path, default=PAGE, help="another page than %(default)s")
    return made


def known(name: str) -> str:
    """A section's name, or an error that lists them."""
    if name not in SECTIONS:
        raise argparse.ArgumentTypeError(f"wanted one of {', '.join(SECTIONS)}, got {name!r}")
    return name


def sections() -> str:
    """The sections, one a line."""
    lines = [f"  {name:<12} {section.title}" for name, section in SECTIONS.items()]
    return "\n".join(["sections:", *lines])


def measured(name: str, section: Section, data: Path, to: Path) -> bool:
    """Measure one section and put it into the page; False where its data is missing."""
    missing = [file for file in section.needs if not (data / file).exists()]
    if missing:
        say(
            f"{name}: {', '.join(missing)} not found in {data}; set FOREWARN_DATA to the folder "
            "that holds it. The section stays as it was"
        )
        return False
    absent = [command for command in section.commands if not shutil.which(command)]
    if absent:
        say(
            f"{name}: the program {', '.join(absent)} is not installed. The section stays as it was"
        )
        return False
    say(f"{name}: {section.title}")
    began = time.monotonic()
    body = section.measure(data)
    took = f"_Measured in {time.monotonic() - began:.0f} s on {page.machine()}._\n"
    page.put(to, name, f"## {section.title}\n\n{body.rstrip()}\n\n{took}", list(SECTIONS))
    return True


def say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
