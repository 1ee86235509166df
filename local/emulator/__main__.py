"""Starts the emulator as `python -m ministack` does, with our guard before its application."""

import os

from ministack import app as ministack

from local.emulator.guard import guarded


def main() -> None:
    # It leads to this module. Lambda workers inherit the environment, and must not find our modules.
    os.environ.pop("PYTHONPATH", None)
    ministack.app = guarded(ministack.app, int(os.environ["GATEWAY_PORT"]))
    ministack.main()


if __name__ == "__main__":
    main()
