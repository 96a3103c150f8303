"""A server of somebody else's, on loopback: it may be down, come back on its port, and fail."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.endpoint import free_port

Headers = dict[str, str]
Respond = Callable[[str, str, Headers, bytes], tuple[int, Headers, bytes]]


class LocalServer:
    """Says what `respond` makes of a method, path, headers in small letters, and body."""

    def __init__(self, respond: Respond) -> None:
        self.port = free_port()
        self.respond = respond
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        respond = self.respond

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"  # connections are kept, as a real server does

            def respond_to(self) -> None:
                headers = {name.lower(): text for name, text in self.headers.items()}
                body = self.rfile.read(int(headers.get("content-length", 0)))
                status, told, content = respond(self.command, self.path, headers, body)
                try:
                    self.send_response(status)
                    for name, text in (told | {"Content-Length": str(len(content))}).items():
                        self.send_header(name, text)
                    self.end_headers()
                    self.wfile.write(content)
                except OSError:  # whoever asked was killed
                    self.close_connection = True

            do_GET = do_PUT = do_PATCH = do_POST = respond_to

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

        self._server = Server(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
