"""The signals that stop `make up` and `make listen`, and the exception by which they run their cleanup."""

import signal
from types import FrameType
from typing import NoReturn

# Ctrl-C, termination by a process, and a closed terminal.
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """A signal stopped the program. The class is not an Exception, so that no handler of exceptions catches it."""


def raise_on_signals() -> None:
    """Makes each of the signals raise Stopped in the main thread."""
    for number in STOP_SIGNALS:
        signal.signal(number, _stop)


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    # A second signal must not interrupt the cleanup.
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise Stopped
