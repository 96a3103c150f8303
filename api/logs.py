"""What the endpoint writes to its log, and what never: the text of a ticket."""

import logging
import traceback


def start(level: str) -> None:
    """Let our own loggers speak, and take what errors say out of uvicorn's tracebacks."""
    ours = logging.getLogger("forewarn")
    ours.setLevel(level.upper())
    if not ours.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
        ours.addHandler(handler)
    server = logging.getLogger("uvicorn.error")
    if not any(isinstance(given, Wordless) for given in server.filters):
        server.addFilter(Wordless())


class Wordless(logging.Filter):
    """Keeps where an error happened and of which type it is; its message may hold a ticket."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and record.exc_info[0]:
            kind, _, trace = record.exc_info
            lines = "".join(traceback.format_tb(trace))
            record.msg, record.args = "%s\n%s%s", (record.getMessage(), lines, kind.__qualname__)
            record.exc_info = None
        return True
