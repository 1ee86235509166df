"""The whole API in process behind a port of this machine, for tools that use HTTP only."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any
from urllib.parse import unquote

from tests.support.gateway import function_of
from tests.support.invocation import Answer, invoke

# Each request is from another address, so that none reaches the limit of an address.
_ADDRESSES = (f"198.18.{number // 250 % 250}.{number % 250}" for number in count())
# A function serves one request at a time.
_ONE = threading.Lock()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 64 * 1024

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._exchange
        raise AttributeError(name)

    def log_message(self, format: str, *args: Any) -> None:
        """Writes nothing, since the functions log."""

    def _exchange(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode("utf-8", "surrogateescape") or None
        path, _, query = self.path.partition("?")
        with _ONE:
            answer = _answer(
                self.command,
                unquote(path, errors="surrogateescape"),
                body,
                query=query,
                headers={name: ", ".join(self.headers.get_all(name, [])) for name in set(self.headers.keys())},
                address=next(_ADDRESSES),
            )
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            if name.lower() != "content-length":
                self.send_header(name, value)
        if answer.status not in (204, 304):
            self.send_header("Content-Length", str(answer.length))
        self.end_headers()
        self.wfile.write(answer.content)


def _answer(method: str, path: str, body: str | None, **options: Any) -> Answer:
    try:
        return invoke(function_of(path), method, path, body, **options)
    except Exception as error:  # as the gateway does; an undocumented answer raises, too
        content = b"" if method == "HEAD" else f"{type(error).__name__}: {error}".encode()
        return Answer(500, {"Content-Type": "text/plain"}, content, len(content))


@contextmanager
def served() -> Iterator[str]:
    """Serves the API, and gives the base URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
