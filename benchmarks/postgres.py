"""A PostgreSQL server for one run, in a temporary folder, with the settings that `initdb` gives it."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# The account that Debian's package creates: the server refuses to run as root.
_ACCOUNT = "postgres"


def find_programs() -> Path | None:
    """Returns the folder of `initdb` and `postgres`, or None where PostgreSQL is not installed."""
    # Debian puts them into a folder of their version, which is not in PATH.
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda it: int(it.parent.name), reverse=True)
    on_path = shutil.which("initdb")
    candidates = [*folders, *([Path(on_path).resolve().parent] if on_path else [])]
    return next((it for it in candidates if (it / "postgres").is_file() and (it / "initdb").is_file()), None)


@contextmanager
def running(programs: Path) -> Iterator[str]:
    """Runs a server on a free port of loopback. Yields SQLAlchemy's URL of an empty database."""
    account = _ACCOUNT if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="bench-postgres-") as folder:
        if account:
            shutil.chown(folder, account)
        data = Path(folder) / "data"
        options = ["--auth=trust", "--username=bench", "--encoding=UTF8", "--locale=C"]
        subprocess.run(
            [programs / "initdb", *options, data], check=True, stdout=subprocess.DEVNULL, user=account, cwd=folder
        )
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        server = subprocess.Popen(
            [programs / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", folder],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=account,
            cwd=folder,
        )
        try:
            _wait_for(server, data)
            yield f"postgresql+psycopg://bench@127.0.0.1:{port}/postgres"
        finally:
            server.terminate()
            try:
                server.wait(timeout=30)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _wait_for(server: "subprocess.Popen[bytes]", data: Path) -> None:
    """Waits until the server accepts connections, as the last line of this file says. Its port opens before."""
    state = data / "postmaster.pid"
    for _ in range(300):
        if server.poll() is not None:
            raise SystemExit(f"PostgreSQL ended with code {server.returncode}.")
        if state.exists() and state.read_text().rstrip().endswith("\nready"):
            return
        time.sleep(0.1)
    raise SystemExit("PostgreSQL was not ready in 30 s.")
