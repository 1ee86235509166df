"""`make key` on the system that `make up` runs."""

from local.running import aim_at_running_system
from oms.commands import key
from oms.commands.closed_pipe import run_until_unread


def main() -> None:
    aim_at_running_system("make key")
    key.main()


if __name__ == "__main__":
    run_until_unread(main)
