"""Ends a command when the reader of its output, such as `head`, has closed the pipe."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress

# 128 plus the number of SIGPIPE: a shell's status of a process that this signal has ended.
CUT_SHORT = 141


def run_until_unread(main: Callable[[], None], *, status: int = CUT_SHORT) -> None:
    """Runs a command. Ends the process with `status`, without a message, when no process reads its output any longer.

    Commands that only print pass 0, because a closed pipe is a normal end. Commands that check or write must not
    succeed without finishing. Python must ignore SIGPIPE, because otherwise a lost connection to AWS would kill the
    process.
    """
    try:
        try:
            main()
        except SystemExit:
            # The command's own status and message stay, even if the rest of the output is not read.
            with suppress(BrokenPipeError):
                sys.stdout.flush()
            _discard_output()
            raise
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()
        raise SystemExit(status) from None


def _discard_output() -> None:
    """Discards further output, because the interpreter flushes at its exit and would print an error."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
