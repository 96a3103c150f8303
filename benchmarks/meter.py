"""`python -m benchmarks.meter COMMAND ...`: run a command; print what it took, as JSON.

A process of its own, and a small one: what a child has used at most counts from its parent's size.
"""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Took(NamedTuple):
    """What a command took, and what it said."""

    seconds: float
    peak_bytes: int
    said: str


def took(command: Sequence[str], env: Mapping[str, str]) -> Took:
    """Run a command to its end under the meter."""
    metered = [sys.executable, "-m", "benchmarks.meter", *command]
    run = subprocess.run(metered, env=dict(env), check=True, stdout=subprocess.PIPE, text=True)
    return Took(*json.loads(run.stdout))


def main(command: Sequence[str]) -> int:
    began = time.monotonic()
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    seconds = time.monotonic() - began
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    sys.stdout.write(json.dumps(Took(seconds, peak, run.stdout)))
    return run.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
