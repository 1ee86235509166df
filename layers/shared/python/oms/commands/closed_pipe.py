"""How a command ends when the reader of its output, such as `head`, has seen enough and closed the pipe."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress

# 128 and the number of SIGPIPE: what a shell reports of a process that this signal has ended.
CUT_SHORT = 141


def run_until_unread(main: Callable[[], None], *, status: int = CUT_SHORT) -> None:
    """Runs a command, and ends the process with `status`, without a message, once no process reads its output.

    A command that only shows something passes 0: to be cut short is its normal end. One that checks or writes must not
    succeed without having finished. Python ignores SIGPIPE, and must, as a lost connection to AWS would kill the
    process as well.
    """
    try:
        try:
            main()
        except SystemExit:
            # Its own status and message count, whether or not the rest of the output is read.
            with suppress(BrokenPipeError):
                sys.stdout.flush()
            _discard_output()
            raise
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()
        raise SystemExit(status) from None


def _discard_output() -> None:
    """The interpreter flushes once more at its exit, and would complain there."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
