"""Stores on both engines: a SQLite file, and a database of a real PostgreSQL server."""

import uuid

import pytest

from data.store import Store


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory):
    """A PostgreSQL server of this session's own; gives its URL for SQLAlchemy."""
    pgserver = pytest.importorskip("pgserver")
    server = pgserver.get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="delete")
    yield server
    server.cleanup()


@pytest.fixture
def postgres_url(postgres_server):
    name = f"test_{uuid.uuid4().hex}"
    postgres_server.psql(f"CREATE DATABASE {name}")
    return postgres_server.get_uri(database=name).replace("postgresql:", "postgresql+psycopg:", 1)


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
