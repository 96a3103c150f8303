"""The challenger: a version that is scored beside the champion on a share of the tickets."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from data.model_root import check_name, model_root, write

POINTER = "challenger.json"


@dataclass(frozen=True)
class Challenger:
    """Which version is scored in the shadow, on which share (0, 1] of the tickets, since when."""

    name: str
    version: str
    run_id: str
    share: float
    since: datetime

    def __post_init__(self) -> None:
        check_name("version", self.version)
        if not 0 < self.share <= 1:
            raise ValueError(f"share must lie in (0, 1], got {self.share}")


def challenger(home: Path, name: str) -> Challenger | None:
    """The challenger of the model `name`; None where there is none."""
    path = model_root(home, name) / POINTER
    try:
        given = json.loads(path.read_bytes())
        return Challenger(**given | {"since": datetime.fromisoformat(given["since"])})
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} names no challenger ({error}); name it again") from error


def put_challenger(root: Path, new: Challenger) -> None:
    """Write the pointer; whoever calls holds the lock of `root`."""
    write(root / POINTER, json.dumps(asdict(new), default=datetime.isoformat, indent=1))


def forget_challenger(root: Path) -> None:
    """Take the pointer away, if there is one."""
    (root / POINTER).unlink(missing_ok=True)
