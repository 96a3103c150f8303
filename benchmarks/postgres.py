"""A PostgreSQL server of one's own, which may be stopped and started while others use it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class Postgres:
    """A server of pgserver's, its URL, and how it is stopped and started again."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.url = server.get_uri().replace("postgresql:", "postgresql+psycopg:", 1)

    def stop(self) -> None:
        """End it as an administrator does: who is connected is cut off."""
        from pgserver._commands import pg_ctl

        command = ["-w", "-m", "fast", "stop"]
        pg_ctl(command, pgdata=self.server.pgdata, user=self.server.system_user)

    def start(self) -> None:
        self.server.ensure_postgres_running()


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A server that is gone with its files at the end."""
    import pgserver

    # Under no folder that is closed to the server's own user.
    with tempfile.TemporaryDirectory(prefix="forewarn-postgres-") as folder:
        server = pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            yield Postgres(server)
        finally:
            server.cleanup()
