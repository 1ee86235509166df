"""Starts the emulator as `python -m ministack` does, with the guard in front of its application."""

import os
from pathlib import Path

from ministack import app as ministack

from local.emulator import log_events, permissions, workers
from local.emulator.guard import guarded
from local.emulator.parent import end_with_parent


def main() -> None:
    end_with_parent()
    # Lambda workers inherit the environment, but must not find this repository's modules by PYTHONPATH.
    os.environ.pop("PYTHONPATH", None)
    port, secret = int(os.environ["GATEWAY_PORT"]), os.environ["AWS_SECRET_ACCESS_KEY"]
    ministack.app = guarded(ministack.app, port, secret)
    permissions.correct()
    log_events.correct()
    permissions.draw_credentials()
    workers.share(Path("unpacked").absolute())
    ministack.main()


if __name__ == "__main__":
    main()
