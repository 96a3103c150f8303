"""How grave an alert is: by how far it came above its threshold."""

import math

from data.records import Alert

# Words beside the colours of the page: nobody should have to tell red from amber.
SEVERITIES = ((3.0, "critical", "Critical"), (1.5, "major", "Major"), (0.0, "minor", "Minor"))


def severity(alert: Alert) -> tuple[str, str]:
    """How far above its threshold an alert came, as (class, word)."""
    return graded(times_threshold(alert))


def graded(ratio: float) -> tuple[str, str]:
    """How far above its threshold a score is, as (class, word).

    >>> graded(1.2), graded(4.0)
    (('minor', 'Minor'), ('critical', 'Critical'))
    """
    return next((name, word) for least, name, word in SEVERITIES if not ratio < least)


def times_threshold(alert: Alert) -> float:
    """The score in thresholds; endless where the threshold is not above 0, or is NaN."""
    return alert.score / alert.threshold if alert.threshold > 0 else math.inf
