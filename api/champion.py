"""The models that score: each desk's champion, swapped while requests run."""

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import anyio

from api.following import Following
from data.published import open_published, open_version, pointer
from models.triage import Triage

PREFIX = "ticket-"
POLL_SECONDS = 2.0
MOST_PINNED = 2  # versions beside the served ones that stay in memory
UNREADABLE = (ValueError, LookupError, OSError)

log = logging.getLogger("forewarn.champion")


class Champion(NamedTuple):
    """A loaded model and what it is called. A request keeps the one it began with."""

    triage: Triage
    name: str
    version: str
    run_id: str
    published_at: datetime
    loaded_at: datetime

    @property
    def desk(self) -> str:
        return self.name.removeprefix(PREFIX)


class Champions(Following):
    """The champions published under `home`. `refresh` follows their pointers."""

    log, ending = log, "promotions are no longer followed"

    def __init__(self, home: Path) -> None:
        self.home = home
        self._loaded: dict[str, Champion] = {}
        self._faults: dict[str, str] = {}
        self._pinned: dict[tuple[str, str], Champion] = {}

    def get(self, desk: str) -> Champion | None:
        return self._loaded.get(PREFIX + desk)

    def pinned(self, desk: str, version: str) -> Champion:
        """A version that was published before; LookupError where it is not kept, or unreadable."""
        name = PREFIX + desk
        found = self._pinned.get((name, version))
        if found is None:
            try:
                opened = open_version(self.home, name, version)
                triage = Triage.load(opened.folder)
            except (ValueError, OSError) as error:
                raise LookupError(str(error)) from error
            now = datetime.now(UTC)
            found = Champion(triage, *opened[1:], now, now)
            if len(self._pinned) >= MOST_PINNED:
                self._pinned.pop(next(iter(self._pinned)))
            self._pinned[name, version] = found
        return found

    def all(self) -> list[Champion]:
        return sorted(self._loaded.values(), key=lambda champion: champion.name)

    def faults(self) -> dict[str, str]:
        """By model name, why what is published now could not be loaded."""
        return dict(self._faults)

    def refresh(self) -> None:
        """Load what has been promoted since. Where that fails, the model before it stays."""
        for folder in sorted(self.home.glob(f"models/{PREFIX}*/")):
            try:
                self._follow(folder.name)
            except UNREADABLE as error:
                self._report(folder.name, str(error))
            else:
                self._faults.pop(folder.name, None)

    async def follow(self, poll_seconds: float = POLL_SECONDS) -> None:
        """Refresh for ever, in a thread, so that requests go on meanwhile."""
        while True:
            await anyio.to_thread.run_sync(self.refresh)
            await anyio.sleep(poll_seconds)

    def _follow(self, name: str) -> None:
        wanted, now = pointer(self.home, name), self._loaded.get(name)
        if wanted is None or (now and now[1:4] == (name, wanted.version, wanted.run_id)):
            return
        opened = open_published(self.home, name)
        triage = Triage.load(opened.folder)
        at = datetime.now(UTC)
        self._loaded[name] = Champion(triage, *opened[1:], wanted.published_at, at)
        log.info("serving %s version %s", name, opened.version)

    def _report(self, name: str, fault: str) -> None:
        if self._faults.get(name) != fault:
            log.error("%s could not be loaded, the model before it stays: %s", name, fault)
        self._faults[name] = fault
