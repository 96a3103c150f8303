"""Secrets that Forewarn makes for itself, each in a file that only its owner can read."""

import os
import secrets
from pathlib import Path

from data.settings import Settings


def pseudonym_key(settings: Settings) -> str:
    """The key that turns requesters into pseudonyms; made on first use where none is set."""
    return settings.hmac_key or secret_file(settings.home / "pseudonym.key")


def secret_file(path: Path) -> str:
    """The secret that `path` holds; a new random one is written there when the file is missing.

    Two processes that start together end with the same secret: the file appears whole, or not.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        try:
            with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_urlsafe(32))
            os.link(aside, path)
        except FileExistsError:
            pass  # another process was first, and its secret counts
        finally:
            aside.unlink(missing_ok=True)
    return path.read_text().strip()
