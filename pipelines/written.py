"""Files that a person writes by hand."""

import json
from pathlib import Path
from typing import Any


def json_in(path: Path) -> Any:
    """What the JSON in a file says; ValueError names the file and what is wrong with it."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
