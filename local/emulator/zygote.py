"""A script that imports the modules of all functions, and forks into workers.

Workers share its memory, and start within milliseconds. Its arguments are a socket's descriptor, the AWS services that
functions call (separated by commas), and the first folders of the module path. It sends `ready` to the socket, and then
receives one message for each worker: the JSON of {"script", "cwd", "environment"} with the descriptors of stdin, stdout
and stderr. The response is the worker's process id, with a descriptor of the process (pidfd). It ends when the other
end of the socket is closed.
"""

import contextlib
import functools
import gc
import importlib
import json
import os
import runpy
import socket
import sys
from pathlib import Path
from typing import Any, NoReturn

MAX_MESSAGE_BYTES = 200_000
# The functions' imports of other packages, which are imported before the fork. Their import must not start a thread or
# read the environment, since a worker gets its environment after the fork.
PRELOADED = (
    "aws_lambda_powertools.event_handler.middlewares.openapi_validation",
    "aws_lambda_powertools.event_handler.openapi.params",
    "aws_lambda_powertools.logging.correlation_paths",
    "aws_lambda_powertools.metrics",
    "aws_lambda_powertools.tracing",
    "aws_lambda_powertools.utilities.batch",
    "aws_lambda_powertools.utilities.data_classes",
    "aws_lambda_powertools.utilities.typing",
    "bcrypt",
    "botocore.client",
    "botocore.handlers",
    "cryptography.hazmat.backends.openssl.backend",
    "cryptography.hazmat.primitives.ciphers.aead",
    "concurrent.futures.thread",
    "csv",
    "jinja2",
    "markdown_it",
    "pkgutil",
    "pydantic",
    "pynamodb.models",
    "pynamodb.transactions",
    "unicodedata",
    "wrapt",
    "xml.sax.saxutils",
)


def main() -> None:
    connection = socket.socket(fileno=int(sys.argv[1]))
    # Replaces this script's folder in the module path.
    sys.path[:1] = sys.argv[3:]
    for name in PRELOADED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    with contextlib.suppress(ImportError):
        _load_models([service for service in sys.argv[2].split(",") if service])
    # Excludes the current objects from the workers' garbage collection, which would copy the shared pages.
    gc.collect()
    gc.freeze()
    connection.send(b"ready")
    while True:
        message, descriptors, _, _ = socket.recv_fds(connection, MAX_MESSAGE_BYTES, 3)
        _reap_ended_workers()
        if not message:
            return
        if not (worker := os.fork()):
            connection.close()
            _become_worker(json.loads(message), descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        process = os.pidfd_open(worker)
        socket.send_fds(connection, [str(worker).encode()], [process])
        os.close(process)


def _load_models(services: list[str]) -> None:
    """Loads the AWS clients' models, 15 MB of objects, for all workers. Otherwise each session would load them."""
    import botocore.loaders
    import botocore.session

    read = botocore.loaders.JSONFileLoader().load_file

    @functools.cache
    def load_file(file_path: str) -> Any:
        return read(file_path)

    setattr(botocore.loaders.JSONFileLoader, "load_file", staticmethod(load_file))  # noqa: B010  as mypy wants it
    session = botocore.session.Session()
    for service in services:
        # Creating a client imports further modules.
        session.create_client(service, "us-east-1", aws_access_key_id="none", aws_secret_access_key="none")  # noqa: S106


def _reap_ended_workers() -> None:
    """Reaps ended workers, before each fork. Until then, the id of an ended worker is not given to another process."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _become_worker(order: dict[str, Any], descriptors: list[int]) -> NoReturn:
    code = 1
    try:
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number)
            os.close(descriptor)
        script = order["script"]
        os.chdir(order["cwd"])
        os.environ.clear()
        os.environ.update(order["environment"])
        sys.argv = [script]
        sys.path.insert(0, str(Path(script).parent))
        runpy.run_path(script, run_name="__main__")
        code = 0
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
