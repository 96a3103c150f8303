"""What goes on beside the requests, until the process ends."""

import asyncio
import logging


class Following:
    """A task that should never end: whether it has, and a line in the log when it does.

    `log` is where, and `ending` what is said.
    """

    log: logging.Logger
    ending: str
    has_stopped = False

    def say_stopped(self, following: asyncio.Task[None]) -> None:
        """Called when it ends: other than by being cancelled it never should."""
        if not following.cancelled() and (error := following.exception()):
            self.has_stopped = True
            self.log.critical("%s: %s", self.ending, type(error).__name__)
