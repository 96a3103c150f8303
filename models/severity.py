"""How grave an alert is: by how far it came above its threshold."""

import math

from data.records import Alert

# Words beside the colours of the page: nobody should have to tell red from amber.
SEVERITIES = ((3.0, "critical", "Critical"), (1.5, "major", "Major"), (0.0, "minor", "Minor"))


def severity(alert: Alert) -> tuple[str, str]:
    """How far above its threshold an alert came, as (class, word).

    >>> from datetime import UTC, datetime
    >>> told = dict(desk="it", kind="metric", key="cpu", why="", detector="seasonal")
    >>> told |= dict(observed=9.0, expected=1.0, lower=0.0, upper=2.0)
    >>> noon = datetime(2026, 1, 5, 12, tzinfo=UTC)
    >>> severity(Alert("a1", opened_at=noon, score=8.0, threshold=4.0, **told))
    ('major', 'Major')
    """
    ratio = times_threshold(alert)
    return next((name, word) for least, name, word in SEVERITIES if not ratio < least)


def times_threshold(alert: Alert) -> float:
    """The score in thresholds; endless where the threshold is not above 0, or is NaN."""
    return alert.score / alert.threshold if alert.threshold > 0 else math.inf
