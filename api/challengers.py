"""The models that are scored in the shadow: each desk's challenger, followed as champions are."""

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import anyio

from api.champion import POLL_SECONDS, PREFIX, UNREADABLE, Champion
from api.following import Following
from data.challenger import Challenger, challenger
from data.published import open_version
from models.triage import Triage

log = logging.getLogger("forewarn.challenger")


class Standing(NamedTuple):
    """A challenger as it is named; `model` is None, and `fault` says why, where it cannot score."""

    named: Challenger
    model: Champion | None
    fault: str | None = None


class Challengers(Following):
    """The challengers named under `home`. None of them ever keeps a champion from serving."""

    log, ending = log, "challengers are no longer followed"

    def __init__(self, home: Path) -> None:
        self.home = home
        self._standing: dict[str, Standing] = {}
        self._unreadable: dict[str, str] = {}

    def get(self, desk: str) -> Standing | None:
        return self._standing.get(PREFIX + desk)

    def all(self) -> list[Standing]:
        return [one for _, one in sorted(self._standing.items())]

    def refresh(self) -> None:
        """Load what was named since, and forget what is over."""
        for folder in sorted(self.home.glob(f"models/{PREFIX}*/")):
            try:
                named = challenger(self.home, folder.name)
            except UNREADABLE as error:  # damaged: what is scored stays until it is named again
                self._say(folder.name, str(error))
                continue
            if named is None:
                self._standing.pop(folder.name, None)
                self._unreadable.pop(folder.name, None)
            else:
                self._follow(named)

    async def follow(self, poll_seconds: float = POLL_SECONDS) -> None:
        """Refresh for ever, in a thread, so that requests go on meanwhile."""
        while True:
            await anyio.to_thread.run_sync(self.refresh)
            await anyio.sleep(poll_seconds)

    def _follow(self, named: Challenger) -> None:
        now = self._standing.get(named.name)
        if now and now.named == named and now.model:
            return
        model = now.model if now else None
        if model is None or (model.version, model.run_id) != (named.version, named.run_id):
            try:
                model = self._load(named)
            except UNREADABLE as error:
                self._standing[named.name] = Standing(named, None, str(error))
                self._say(named.name, str(error))
                return
            log.info("scoring %s version %s in the shadow", named.name, named.version)
        self._unreadable.pop(named.name, None)
        self._standing[named.name] = Standing(named, model)

    def _load(self, named: Challenger) -> Champion:
        opened = open_version(self.home, named.name, named.version)
        if opened.run_id != named.run_id:
            raise ValueError(f"version {named.version} is of run {opened.run_id}; name it again")
        return Champion(Triage.load(opened.folder), *opened[1:], named.since, datetime.now(UTC))

    def _say(self, name: str, fault: str) -> None:
        if self._unreadable.get(name) != fault:
            log.error("the challenger of %s is not scored: %s", name, fault)
        self._unreadable[name] = fault
