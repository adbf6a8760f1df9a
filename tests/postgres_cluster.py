"""A private PostgreSQL cluster for the tests: started once per run, with a fresh database for each test.

Tests that need it import the fixtures by name, or list them in the conftest of their folder:
`from tests.postgres_cluster import postgres_cluster, postgres_url`.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from tempfile import mkdtemp
from typing import NoReturn

import pytest

from tests.ports import free_port

USER = "cio"
PASSWORD = "canary-database-password"
_DEADLINE = 30.0
"""Seconds for any one step; they take a second or two."""
_ACCOUNTS = ("postgres", "nobody")
"""Whom a cluster runs as where the tests run as root, which PostgreSQL refuses."""
# Ends the server if the tests were killed: then the pipe that they hold ends too.
_WATCH = 'read -r _; kill -INT "$0"; while kill -0 "$0" 2>/dev/null; do sleep 0.1; done; rm -rf "$1"'
_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "jit": "off",
    "log_min_messages": "fatal",
    # Nothing that a test does outlives its machine.
    "fsync": "off",
    "full_page_writes": "off",
}


def binaries() -> Path | None:
    """Return the folder of PostgreSQL's programs: those on PATH, or the newest of a Debian installation."""
    on_path = shutil.which("postgres")
    folders = [Path(on_path).resolve().parent] if on_path else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda each: float(each.parent.name), reverse=True)
    needed = ("postgres", "initdb", "createdb", "dropdb", "pg_isready")
    return next((each for each in folders if all((each / name).exists() for name in needed)), None)


class Cluster:
    """A cluster in a directory of its own, on a loopback port and a Unix socket; its processes are children of ours."""

    def __init__(self, bin_dir: Path, **options: str) -> None:
        self._bin = bin_dir
        self._account = _account()
        self._options = {**_OPTIONS, **options}
        self._names = count(1)
        # Not below pytest's directories: a socket's path may have 107 bytes, and only root may enter those.
        self.directory = Path(mkdtemp(prefix="cio-pg-", dir="/tmp" if Path("/tmp").is_dir() else None))  # noqa: S108 - a new directory
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._watcher: subprocess.Popen[bytes] | None = None
        if self._account:
            shutil.chown(self.directory, self._account)
        self.directory.chmod(0o700)

    def make(self) -> None:
        """Create the data directory and start."""
        secret = self.directory / "password"
        secret.write_text(PASSWORD)
        if self._account:
            shutil.chown(secret, self._account)
        auth = ("--auth=scram-sha-256", f"--username={USER}", f"--pwfile={secret}")
        self._run("initdb", "-D", str(self._data), *auth, "--encoding=UTF8", "--no-locale", "--no-sync")
        self.start()

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = {**self._options, "port": str(self.port), "unix_socket_directories": str(self.directory)}
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the program was looked up, the rest is ours
                [self._bin / "postgres", "-D", self._data, *settings],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self._account,
                start_new_session=True,  # an interrupt at the terminal is for the tests, which then stop it
            )
        self._watcher = subprocess.Popen(  # noqa: S603 - a constant script
            ["/bin/sh", "-c", _WATCH, str(self._process.pid), str(self.directory)],
            stdin=subprocess.PIPE,
            user=self._account,
            start_new_session=True,
        )
        ends = time.monotonic() + _DEADLINE
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > ends:
                raise RuntimeError(f"PostgreSQL did not start: {(self.directory / 'log').read_text()[-2000:]}")
            time.sleep(0.05)

    def stop(self, *signals: signal.Signals) -> None:
        """Stop the server: at once for its clients, but in order, unless other signals are named; then harder."""
        process = self._process
        if process is None:
            return
        self._unwatch()
        for each in (*(signals or (signal.SIGINT,)), signal.SIGQUIT, signal.SIGKILL):
            process.send_signal(each)
            try:
                process.wait(_DEADLINE / 3)
                break
            except subprocess.TimeoutExpired:
                continue
        self._process = None

    def _unwatch(self) -> None:
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.kill()
            watcher.wait(_DEADLINE)
            if watcher.stdin:
                watcher.stdin.close()

    def restart(self) -> None:
        """Stop it and start it again, on the same port."""
        self.stop()
        self.start()

    def remove(self) -> None:
        """Stop it and remove every trace."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def url(self, database: str) -> str:
        """Return the address of a database."""
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def create(self) -> str:
        """Make an empty database and return its address."""
        name = f"test_{next(self._names)}"
        self._run("createdb", *self._here(), name)
        return self.url(name)

    def drop(self, url: str) -> None:
        """Remove a database, whoever is connected to it."""
        self._run("dropdb", "--force", "--if-exists", *self._here(), url.rpartition("/")[2])

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    def _here(self) -> Sequence[str]:
        return ("-h", str(self.directory), "-p", str(self.port), "-U", USER)

    def _answers(self) -> bool:
        command = [str(self._bin / "pg_isready"), "-q", "-h", str(self.directory), "-p", str(self.port), "-t", "1"]
        return subprocess.run(command, check=False, timeout=_DEADLINE).returncode == 0  # noqa: S603 - as above

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(  # noqa: S603 - the program was looked up, the rest is ours
            [self._bin / program, *arguments],
            check=False,
            capture_output=True,
            text=True,
            timeout=_DEADLINE,
            user=self._account,
            cwd="/",
            env={"PATH": os.environ.get("PATH", ""), "PGPASSWORD": PASSWORD, "LC_ALL": "C"},
        )
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr.strip()}")


def _account() -> str | None:
    if sys.platform == "win32" or os.getuid() != 0:
        return None
    import pwd  # noqa: PLC0415 - only where there are such accounts

    known = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in _ACCOUNTS if name in known), None)


def _go_without(missing: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(missing)
    pytest.skip(missing)


_CLUSTER = pytest.StashKey[Cluster]()


@pytest.fixture(scope="session")
def postgres_cluster(pytestconfig: pytest.Config) -> Cluster:
    """One cluster for the whole run, however many folders import this fixture."""
    if _CLUSTER not in pytestconfig.stash:
        bin_dir = binaries()
        if bin_dir is None:
            _go_without("PostgreSQL's programs are neither on PATH nor in /usr/lib/postgresql")
        if find_spec("psycopg") is None:
            _go_without("psycopg is not installed: it comes with the extra `postgres`")
        cluster = Cluster(bin_dir)
        pytestconfig.add_cleanup(cluster.remove)
        cluster.make()
        pytestconfig.stash[_CLUSTER] = cluster
    return pytestconfig.stash[_CLUSTER]


@pytest.fixture
def postgres_url(postgres_cluster: Cluster) -> Iterator[str]:
    """Return the address of an empty database, which is gone after the test."""
    url = postgres_cluster.create()
    yield url
    postgres_cluster.drop(url)
