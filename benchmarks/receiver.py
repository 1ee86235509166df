"""A receiver of webhooks, in a process of its own: `python -m benchmarks.receiver`, which prints its port.

It answers 200 to each POST, after the milliseconds that the path names: at once to `/0`.
"""

import argparse
import ssl
import time
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from benchmarks.servers import server


def receiver(certificate: Path | None = None) -> AbstractContextManager[int]:
    """Runs a receiver, over TLS with this chain and its key. The context has its port."""
    return server("benchmarks.receiver", *(["--certificate", str(certificate)] if certificate else []))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(int(self.path.strip("/")) / 1000)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    request_queue_size = 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--certificate", type=Path, help="serve over TLS, with this chain and its key")
    certificate = parser.parse_args().certificate
    with _Server(("127.0.0.1", 0), _Handler) as server:
        if certificate:
            tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            tls.load_cert_chain(certificate)
            # The thread of a connection makes its handshake, not the one that accepts.
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        print(server.server_port, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
