"""What is done on the command line, for the audit log."""

import os
import pwd
from datetime import UTC, datetime

from data.challenger import Challenger
from data.published import Pointer
from data.store import Store
from data.store_audit import COMMAND_LINE

SHADOWED, UNSHADOWED = "challenger named", "challenger ended"
PROMOTED, FORCED, ROLLED_BACK = "model promoted", "model promoted by force", "model rolled back"


def log(store: Store, what: str, desk: str, *subjects: str) -> None:
    """Add to the audit log what the user of the command line has done just now."""
    store.log(datetime.now(UTC), f"{COMMAND_LINE} ({user()})", what, desk, *subjects)


def named(pointer: Pointer | Challenger) -> str:
    return f"{pointer.name} version {pointer.version}"


def user() -> str:
    """Who is at the command line."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # in a container there may be nobody by that number
        return f"user {os.getuid()}"
