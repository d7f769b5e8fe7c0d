"""Both databases for every test that needs one: SQLite, and a real PostgreSQL that lives as long as the session.

The cluster is made with Debian's own programs in a folder of its own, is reached through 127.0.0.1 on a port that was
free, and forgets durability (fsync off), since nothing in it outlives the session. Each test gets its own database,
copied from one that holds the schema.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, NoReturn

import pytest
from sqlalchemy import create_engine

from newsletter.store.database import Store

BINARIES = Path("/usr/lib/postgresql")
OWNER = "postgres"
START_SECONDS = 60
TEMPLATE = "newsletter_template"
SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "60",
    "shared_buffers": "16MB",
}


@dataclass(frozen=True)
class Database:
    """Where a database is, and where its lock files may go."""

    kind: str
    url: str
    folder: Path

    def open(self, **options: Any) -> Store:
        """A Store of its own, as another process would have it; to be closed by the caller."""
        return Store(self.url, folder=self.folder, **options)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without tables, once of each kind."""
    if request.param == "sqlite":
        yield Database("sqlite", f"sqlite:///{tmp_path / 'newsletter.db'}", tmp_path / "locks")
        return
    cluster: Cluster = request.getfixturevalue("cluster")
    with cluster.database("template0") as url:
        yield Database("postgresql", url, tmp_path / "locks")


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path, sqlite_template: Path) -> Iterator[Database]:
    """A database with all tables and no rows, once of each kind."""
    if request.param == "sqlite":
        yield _copy(sqlite_template, tmp_path)
        return
    cluster: Cluster = request.getfixturevalue("cluster")
    with cluster.database(TEMPLATE) as url:
        yield Database("postgresql", url, tmp_path / "locks")


@pytest.fixture
def store(database: Database) -> Iterator[Store]:
    """An open store with all tables and no rows, once on each database."""
    with closing(database.open()) as opened:
        yield opened


@pytest.fixture
def sqlite_store(tmp_path: Path, sqlite_template: Path) -> Iterator[Store]:
    """An open store with all tables and no rows, for tests to which the database does not matter."""
    with closing(_copy(sqlite_template, tmp_path).open()) as opened:
        yield opened


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sqlite")
    path = folder / "template.db"
    with closing(Store(f"sqlite:///{path}", folder=folder)) as fresh:
        fresh.upgrade()
    return path


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with running_cluster() as made:
        yield made


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """A PostgreSQL of one's own, with the schema in a database to copy."""
    programs = _programs()
    with _running(programs) as address:
        made = Cluster(address)
        with made.database("template0", name=TEMPLATE) as url:
            with closing(Store(url, folder=Path("unused"))) as fresh:
                fresh.upgrade()
            yield made


class Cluster:
    """A running PostgreSQL that makes and drops databases; ``address`` is host:port."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._numbers = count(1)

    @contextmanager
    def database(self, template: str, *, name: str | None = None) -> Iterator[str]:
        """The URL of a new database that is a copy of ``template``; dropped at the end, whoever still uses it."""
        name = name or f"newsletter_{next(self._numbers)}"
        self._run(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        try:
            yield f"postgresql://{OWNER}@{self._address}/{name}"
        finally:
            self._run(f'DROP DATABASE "{name}" WITH (FORCE)')

    def _run(self, statement: str) -> None:
        engine = create_engine(f"postgresql+psycopg://{OWNER}@{self._address}/postgres", isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)
        engine.dispose()


# --- the server -----------------------------------------------------------------------------------------------


def missing(what: str) -> NoReturn:
    """Leave the test out and say why; where nothing may be left out (CI=true), fail."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI must not leave tests out: {what}")
    pytest.skip(what)


def _programs() -> Path:
    """The folder of the newest PostgreSQL's programs."""
    if importlib.util.find_spec("psycopg") is None:
        missing("needs the driver of PostgreSQL (the extra newsletter[postgresql])")
    found = [path for path in BINARIES.glob("*/bin") if (path / "initdb").exists()]
    if not found:
        missing("needs Debian's package postgresql (apt-get install postgresql)")
    if os.geteuid() == 0 and not _exists(OWNER):
        missing(f"PostgreSQL does not run as root, and there is no user {OWNER}")
    return max(found, key=lambda path: float(path.parent.name))


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


@contextmanager
def _running(programs: Path) -> Iterator[str]:
    """A new cluster, running; its address. It stops, and its folder goes, at the end."""
    # Not below pytest's own folder: nobody but its owner may enter that one, and we may be another user.
    folder = Path(tempfile.mkdtemp(prefix="newsletter-postgresql-"))
    if os.geteuid() == 0:
        shutil.chown(folder, OWNER)
    data = folder / "data"
    try:
        _run(folder, programs / "initdb", "--auth=trust", f"--username={OWNER}", "--no-sync", "--encoding=UTF8",
             "--locale=C", f"--pgdata={data}")  # fmt: skip
        port = _free_port()
        settings = SETTINGS | {"listen_addresses": "127.0.0.1", "port": str(port), "unix_socket_directories": folder}
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        pg_ctl = (programs / "pg_ctl", "--wait", f"--timeout={START_SECONDS}", f"--pgdata={data}")
        _run(folder, *pg_ctl, f"--log={folder / 'log'}", f"--options={options}", "start")
        try:
            yield f"127.0.0.1:{port}"
        finally:
            _run(folder, *pg_ctl, "--mode=immediate", "stop")  # it signals the process that its pid file names
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(folder: Path, *command: str | Path) -> None:
    """Run one of PostgreSQL's programs as its own user, since none of them works for root."""
    as_owner = ("runuser", "-u", OWNER, "--") if os.geteuid() == 0 else ()
    # A file, not a pipe: the server that pg_ctl leaves behind would keep a pipe open.
    with (folder / "output").open("w+", encoding="utf-8", errors="replace") as output:
        done = subprocess.run(
            [*as_owner, *map(str, command)],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
        output.seek(0)
        if done.returncode:
            pytest.fail(f"{command[0]} failed:\n{output.read()}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _copy(template: Path, folder: Path) -> Database:
    path = folder / "newsletter.db"
    shutil.copy(template, path)
    return Database("sqlite", f"sqlite:///{path}", folder / "locks")
