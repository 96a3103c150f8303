"""The desks whose metrics are learnt and cannot alert yet."""

from collections.abc import Sequence

from ops.office import Office

CAN_ALERT = {"watching", "alerting", "flapping"}


def learning(office: Office, desks: Sequence[str]) -> list[str]:
    """The desks some of whose series are being learnt, while none is watched yet."""
    counts = {desk: office.store().count_states(desk) for desk in desks}
    return [
        desk
        for desk, states in counts.items()
        if states.get("learning") and not CAN_ALERT & states.keys()
    ]
