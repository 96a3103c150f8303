"""What made an alert: all that its numbers follow from, so that anybody can do the sum again."""

import hashlib
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from models import DETECTORS, Rare, Silence, Surge
from models.detector import Detector

STATE = "state."
MADE_BY: dict[str, type[Rare] | type[Surge] | type[Silence]] = {**DETECTORS, "silence": Silence}


class Judged(NamedTuple):
    """What a detector says of one value: its score, and what would have been normal."""

    score: float
    expected: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Evidence:
    """One value of one series, and what its detector knew before it came.

    `detector` is a name in `MADE_BY`, which is made with `made_with` (numbers and texts
    alone); `at` is in UTC. `sha256` is what `digest` gave when the alert fired.
    """

    detector: str
    made_with: Mapping[str, int | str]
    at: np.datetime64
    value: float
    threshold: float
    state: Mapping[str, np.ndarray]
    sha256: str = ""

    def detector_then(self) -> Detector:
        """The detector of this one series, as it was when it judged."""
        make: Callable[..., Detector] = MADE_BY[self.detector]
        return make(1, **self.made_with).restore(dict(self.state))


def judge(evidence: Evidence) -> Judged:
    """Do the sum again, from nothing but the evidence.

    >>> from models.rare import Rare
    >>> at, known = np.datetime64("2026-01-05T09:00:00"), Rare(1)
    >>> for step in range(40):
    ...     at = at + np.timedelta64(300, "s")
    ...     known = known.learn(at, np.array([10.0 + step % 2]))
    >>> of = {"step_seconds": 300, "timezone": "UTC"}
    >>> told = judge(Evidence("rare", of, at + 300, 90.0, 3.0, known.state()))
    >>> round(told.expected), told.score > 3.4
    (10, True)
    """
    detector = evidence.detector_then()
    score = detector.score(evidence.at, np.array([evidence.value]))
    told = (score, *detector.expect(evidence.at))
    return Judged(*(float(one[0]) for one in told))


class Again(NamedTuple):
    """A sum done again: what came of it, and whether it is to nine digits what fired."""

    judged: Judged
    sha256: str
    same: bool


def again(evidence: Evidence) -> Again:
    """Judge anew and compare with what was noted when the alert fired."""
    judged = judge(evidence)
    told = digest(evidence, judged)
    return Again(judged, told, told == evidence.sha256)


def digest(evidence: Evidence, judged: Judged) -> str:
    """One hash of what was given and what came of it, numbers to nine digits.

    Two that are equal were made of the same value, threshold and knowledge, by the same detector,
    and came to the same score and band.
    """
    made = json.dumps(dict(evidence.made_with), sort_keys=True)
    numbers = (evidence.value, evidence.threshold, *judged)
    head = [
        evidence.detector,
        made,
        str(evidence.at.astype("M8[s]")),
        *(f"{x:.9g}" for x in numbers),
    ]
    told = hashlib.sha256("\n".join(head).encode())
    for name in sorted(evidence.state):
        array = np.ascontiguousarray(evidence.state[name])
        told.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode() + array.tobytes())
    return told.hexdigest()


def packed(evidence: Evidence) -> bytes:
    """As one npz, which `unpacked` reads; the hash is taken now."""
    told = {
        "detector": evidence.detector,
        "made_with": dict(evidence.made_with),
        "at": str(evidence.at.astype("M8[s]")),
        "sha256": digest(evidence, judge(evidence)),
    }
    buffer = io.BytesIO()
    numbers = np.array([evidence.value, evidence.threshold])
    arrays = {STATE + name: array for name, array in evidence.state.items()}
    arrays |= {"told": np.array(json.dumps(told)), "numbers": numbers}
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def unpacked(data: bytes) -> Evidence:
    """What `packed` wrote. ValueError where it is something else."""
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        kept = dict(arrays)
    if not {"told", "numbers"} <= kept.keys():
        raise ValueError("wanted an alert's evidence, got arrays " + ", ".join(sorted(kept)))
    told, (value, threshold) = json.loads(str(kept["told"])), kept["numbers"].tolist()
    state = {k.removeprefix(STATE): a for k, a in kept.items() if k.startswith(STATE)}
    at = np.datetime64(told["at"], "s")
    made = (told["detector"], told["made_with"], at, value, threshold, state, told["sha256"])
    return Evidence(*made)
