"""Stores on both engines: a SQLite file, and a database of a real PostgreSQL server."""

import os
import sys
import tempfile
import uuid
from pathlib import Path

import pytest

from data.settings import Settings
from data.store import Store
from pipelines.__main__ import around, main
from pipelines.encoder import encoder


@pytest.fixture(autouse=True)
def settings_of_before():
    """Commands note desk and home in the environment, which no later test may read."""
    before = {name: text for name, text in os.environ.items() if name.startswith("FOREWARN_")}
    yield
    for name in [name for name in os.environ if name.startswith("FOREWARN_")]:
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture(scope="session")
def postgres_server():
    """A PostgreSQL server of this session's own, gone with its files at the end."""
    pgserver = pytest.importorskip("pgserver")  # which warns when imported
    # Not under pytest's folder: a pytest beside this one closes that to the server's user.
    with tempfile.TemporaryDirectory(prefix="forewarn-postgres-") as folder:
        server = pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        # Nothing here must outlive a power cut, and a busy disk takes minutes to flush.
        server.psql("ALTER SYSTEM SET fsync = off")
        server.psql("SELECT pg_reload_conf()")
        yield server
        server.cleanup()


@pytest.fixture
def postgres_url(postgres_server):
    """The URL of an empty schema: a fresh database takes the server longer."""
    name = f"test_{uuid.uuid4().hex}"
    postgres_server.psql(f"CREATE SCHEMA {name}")
    url = postgres_server.get_uri().replace("postgresql:", "postgresql+psycopg:", 1)
    return f"{url}&options=-csearch_path%3D{name}"


@pytest.fixture
def sqlite_url(tmp_path):
    return f"sqlite:///{tmp_path / 'forewarn.db'}"


@pytest.fixture(params=["sqlite", "postgres"])
def url(request):
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
def store(url):
    store = Store(url)
    yield store
    store.close()


@pytest.fixture(scope="session")
def encoder_home(tmp_path_factory):
    """A home in which the sentence encoder has been made: that takes ten seconds."""
    home = tmp_path_factory.mktemp("encoder-home")
    encoder(home)
    return home


@pytest.fixture
def forewarn(tmp_path, monkeypatch, capsys):
    """Runs a command in this process on a home of its own; gives (exit code, out, err)."""
    for name in (*os.environ,):
        if name.startswith(("FOREWARN_", "PREFECT_")):
            monkeypatch.delenv(name)
    for name, value in around(Settings(home=tmp_path)).items():
        monkeypatch.setenv(name, value)  # and so taken away again
    monkeypatch.setenv("FOREWARN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FOREWARN_DESK", "it")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["forewarn", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return ended.value.code or 0, said.out, said.err

    return run
