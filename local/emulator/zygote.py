"""A process that has imported what all functions import, and becomes a worker by forking: a script of its own.

Workers share its memory, and start within milliseconds. Its arguments are a socket's descriptor, the AWS services that
functions call (by commas), and the folders that lead the module path. On the socket it says that it is ready, and then
takes one message for each worker: the JSON of {"script", "cwd", "environment"} with the descriptors of stdin, stdout
and stderr. The answer is the worker's id, with a descriptor of the process (pidfd). It ends when the other end of the
socket is closed.
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

LONGEST_MESSAGE = 200_000
# Imported before the fork: what the functions import of other packages. None of it may read the environment when it is
# imported, which is the worker's own only after the fork, nor start a thread.
PRELOADED = (
    "aws_lambda_powertools.event_handler.middlewares.openapi_validation",
    "aws_lambda_powertools.event_handler.openapi.params",
    "aws_lambda_powertools.logging.correlation_paths",
    "aws_lambda_powertools.metrics",
    "aws_lambda_powertools.tracing",
    "aws_lambda_powertools.utilities.batch",
    "aws_lambda_powertools.utilities.data_classes",
    "aws_lambda_powertools.utilities.typing",
    "boto3",
    "botocore.handlers",
    "cryptography.hazmat.primitives.ciphers.aead",
    "csv",
    "jinja2",
    "jwt",
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
    # In the place of this script's own folder.
    sys.path[:1] = sys.argv[3:]
    for name in PRELOADED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    with contextlib.suppress(ImportError):
        _load_models([service for service in sys.argv[2].split(",") if service])
    # What is collected in a worker is what the worker has made: the shared pages stay shared.
    gc.collect()
    gc.freeze()
    connection.send(b"ready")
    while True:
        message, descriptors, _, _ = socket.recv_fds(connection, LONGEST_MESSAGE, 3)
        _bury()
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
    """Reads the AWS clients' models, 15 MB as objects, for all workers; each session would read them again."""
    import botocore.loaders
    import botocore.session

    read = botocore.loaders.JSONFileLoader().load_file

    @functools.cache
    def load_file(file_path: str) -> Any:
        return read(file_path)

    setattr(botocore.loaders.JSONFileLoader, "load_file", staticmethod(load_file))  # noqa: B010  as mypy wants it
    session = botocore.session.Session()
    for service in services:
        # With it comes what a client imports only when it is made.
        session.create_client(service, "us-east-1", aws_access_key_id="none", aws_secret_access_key="none")  # noqa: S106


def _bury() -> None:
    """Not as soon as a worker has ended: until then its id belongs to no other process."""
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
