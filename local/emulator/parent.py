"""Ends the emulator when the process that started it ends, for any reason."""

import os
import signal
import threading

# stdin is a pipe from that process, which writes nothing. The kernel closes it when the process ends.
STDIN = 0


def end_with_parent() -> None:
    """Kills this process group, with all workers, when stdin is closed. Only the leader of a group does it."""
    if os.getpgrp() == os.getpid():
        threading.Thread(target=_wait_and_kill, daemon=True).start()


def _wait_and_kill() -> None:
    while os.read(STDIN, 1):
        pass
    os.killpg(0, signal.SIGKILL)
