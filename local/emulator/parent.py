"""Ends the emulator with the process that started it, however that one ends."""

import os
import signal
import threading

# stdin is a pipe to that process, which writes nothing: the kernel closes the other end when the process is gone.
STDIN = 0


def end_with_parent() -> None:
    """Kills this process's group, with all workers in it, once stdin is closed. For the leader of a group only."""
    if os.getpgrp() == os.getpid():
        threading.Thread(target=_wait_and_kill, daemon=True).start()


def _wait_and_kill() -> None:
    while os.read(STDIN, 1):
        pass
    os.killpg(0, signal.SIGKILL)
