"""Where uvicorn reads requests: those that would come too late are refused before they are more.

`uvicorn serve:app --http api.door:Door`. A refusal costs a twentieth of what an answer does, most
of it the system's own for reading and writing.
"""

import asyncio
import socket
import struct
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from api.guard import SECURE, raw, request_id
from api.shedding import SCORING, Shed

LAST_DATA = 52  # where TCP_INFO has the milliseconds since bytes came last (linux/tcp.h)
STATUS = b"HTTP/1.1 429 Too Many Requests\r\n"


def lines(headers: list[tuple[bytes, bytes]]) -> bytes:
    return b"".join(name + b": " + value + b"\r\n" for name, value in headers)


SECURED = lines(raw(SECURE))


class Refused:
    """Stands for the answer that was given: what else comes of the request is read and dropped."""

    response_complete = True
    message_event = asyncio.Event()


REFUSED = cast(RequestResponseCycle, Refused())


class Door(HttpToolsProtocol):
    """uvicorn's protocol that asks the app's `Shed`, which the app has put into its state."""

    def on_headers_complete(self) -> None:
        shed: Shed | None = self.app_state.get("shed")
        asks = SCORING.match(self.url) if shed and self._may_be_refused() else None
        if not shed or not asks:
            super().on_headers_complete()
        elif shed.refuses(waited(self.transport)):
            self._refuse(shed, asks[1].decode())
        else:
            shed.take_up(super().on_headers_complete)

    def _may_be_refused(self) -> bool:
        """Not if its turn comes after another of the same connection, or its body after a word."""
        is_next = self.cycle is None or self.cycle.response_complete
        return is_next and not self.expect_100_continue and self.parser.get_method() == b"POST"

    def _refuse(self, shed: Shed, first: str) -> None:
        given = next((value for name, value in self.headers if name == b"x-request-id"), b"")
        own = request_id(given.decode("latin-1"))
        head, body = shed.refusal(first, own)
        keeps = self.parser.should_keep_alive()
        about = f"content-length: {len(body)}\r\nx-request-id: {own}\r\n".encode()
        head += lines(self.server_state.default_headers) + SECURED + about
        close = b"" if keeps else b"connection: close\r\n"
        self.transport.write(STATUS + head + close + b"\r\n" + body)
        self.cycle = REFUSED
        if not keeps:
            self.transport.close()
        self.on_response_complete()


def waited(transport: asyncio.Transport) -> float:
    """Seconds since the last bytes of a connection came in; 0 where the system does not tell."""
    line: Any = transport.get_extra_info("socket")
    if not hasattr(socket, "TCP_INFO") or line.family == socket.AF_UNIX:
        return 0.0
    told = line.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, LAST_DATA + 4)
    return float(struct.unpack_from("I", told, LAST_DATA)[0]) / 1000
