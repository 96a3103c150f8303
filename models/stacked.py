"""The blends of several targets asked as one: of a ticket alone the calls cost, not the sums."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from models.blend import HEADS, TINY, Blend, Joined, Tier
from models.calibration import claims
from models.head import Features, Scoring
from models.segments import Segments

LEAST = float(np.log(TINY))


class Calibrations:
    """Those of several targets as one (see `models.calibration`)."""

    def __init__(self, segments: Segments, given: Sequence[tuple[float, float]]) -> None:
        self.segments = segments
        self.temperature = segments.spread([temperature for temperature, _ in given])
        self.offset = segments.spread([offset for _, offset in given])

    def logs(self, scores: np.ndarray) -> np.ndarray:
        """Logarithms of each target's probabilities, of (n_tickets, n_classes of all)."""
        return self.segments.log_softmax(claims(scores / self.temperature + self.offset))


class Kind(NamedTuple):
    """The heads of one kind: what they look at, and where their classes stand among all."""

    view: str
    scores: Scoring
    calibrations: Calibrations
    places: np.ndarray


class Say(NamedTuple):
    """What the kinds' words count in one tier: a weight a class, 0 where a target has none of it.

    What `alone` classes' one head says was calibrated before; of the others none has a veto, as
    no logarithm counts for less than `least`.
    """

    weights: dict[str, np.ndarray]
    calibrations: Calibrations
    alone: np.ndarray
    least: np.ndarray


Logs = dict[str, np.ndarray]
"""What each kind says: logarithms of probabilities, (n_tickets, n_classes of its targets)."""


class Stacked:
    """Several targets' blends, with the answers that each would give by itself.

    All heads that look at a view are multiplied in one go, and all that they say is calibrated in
    one go, which takes a fraction of the time where tickets come one by one. From here on the
    blends' own coefficients are parts of the whole, so that nothing is kept twice.

    Examples
    --------
    >>> x = np.array([[1, 0], [0.9, 0.1], [0, 1], [0.1, 0.9]] * 10, dtype=np.float32)
    >>> groups, urgencies = ["net", "net", "print", "print"] * 10, ["low", "high"] * 20
    >>> learn = lambda labels: Blend.learn({"words": x}, labels, ordered=False).blend
    >>> blends = {"group": learn(groups), "urgency": learn(urgencies)}
    >>> alone = blends["group"].predict_fast({"words": x})
    >>> stacked = Stacked(blends)
    >>> together = stacked.probabilities("fast", stacked.logs("fast", {"words": x}), 40)
    >>> list(together), np.allclose(together["group"], alone)
    (['group', 'urgency'], True)
    """

    def __init__(self, blends: Mapping[str, Blend]) -> None:
        self.targets = tuple(blends)
        self.segments = Segments([len(blend.classes) for blend in blends.values()])
        self.kinds = {
            name: self._kind(name, list(blends.values()))
            for name in HEADS
            if any(name in blend.heads for blend in blends.values())
        }
        self.tiers: dict[Tier, Say] = {
            "fast": self._say([blend.fast for blend in blends.values()]),
            "full": self._say([blend.joined for blend in blends.values()]),
        }

    def _kind(self, name: str, blends: Sequence[Blend]) -> Kind:
        which = [place for place, blend in enumerate(blends) if name in blend.heads]
        segments, places = self.segments.take(which)
        heads = [blends[place].heads[name] for place in which]
        view, learner = HEADS[name]
        calibrations = Calibrations(segments, [head.calibration for head in heads])
        return Kind(view, learner.stacked(heads, segments), calibrations, places)

    def _say(self, joined: Sequence[Joined]) -> Say:
        weights = {
            name: self.segments.spread([weight_of(name, one) for one in joined])[kind.places]
            for name, kind in self.kinds.items()
            if any(name in one.weights for one in joined)
        }
        alone = self.segments.spread([len(one.weights) == 1 for one in joined]) > 0
        calibrations = Calibrations(self.segments, [one.calibration for one in joined])
        return Say(weights, calibrations, alone, np.where(alone, -np.inf, LEAST))

    def logs(self, tier: Tier, xs: Mapping[str, Features], known: Logs | None = None) -> Logs:
        """What each kind that counts in a tier says of tickets, where it is not `known` already."""
        said = dict(known or {})
        for name in self.tiers[tier].weights:
            if name not in said:
                kind = self.kinds[name]
                said[name] = kind.calibrations.logs(kind.scores(xs[kind.view]))
        return said

    def probabilities(self, tier: Tier, logs: Logs, n_tickets: int) -> dict[str, np.ndarray]:
        """For each target (n_tickets, n_classes), of what `logs` gave for the tier.

        Where no head of the tier knows a target, its classes are all as likely.
        """
        say = self.tiers[tier]
        summed = np.zeros((n_tickets, len(self.segments.owner)))
        for name, weights in say.weights.items():
            places = self.kinds[name].places
            summed[:, places] += weights * np.maximum(logs[name], say.least[places])
        if not say.alone.all():
            mended = say.calibrations.logs(summed)
            summed = np.where(say.alone, summed, mended) if say.alone.any() else mended
        return dict(zip(self.targets, self.segments.split(np.exp(summed)), strict=True))


def weight_of(name: str, joined: Joined) -> float:
    """What a kind's word counts: all, where it is the only one."""
    if len(joined.weights) == 1:
        return float(name in joined.weights)
    return joined.weights.get(name, 0)
