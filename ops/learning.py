"""Which detectors have begun and cannot alert yet."""

import io
import zipfile
from collections.abc import Sequence

import numpy as np

from ops.office import Office

KIND = "metrics"


def learning(office: Office, desks: Sequence[str]) -> list[str]:
    """The desks whose metrics are being learnt: no threshold is known yet."""
    return [
        desk
        for desk in desks
        if (found := office.store().detection(desk, KIND)) and lacks_threshold(found.state)
    ]


def lacks_threshold(state: bytes) -> bool:
    """Whether the state of a detector, an npz, says that its threshold is not known.

    >>> packed = io.BytesIO()
    >>> np.savez(packed, threshold=np.array([np.nan, np.nan, 0.0]))
    >>> lacks_threshold(packed.getvalue()), lacks_threshold(b"")
    (True, False)
    """
    packed = io.BytesIO(state)
    if not zipfile.is_zipfile(packed):
        return False
    with np.load(packed, allow_pickle=False) as arrays:
        return "threshold" in arrays and bool(np.isnan(arrays["threshold"][0]))
