"""`make index-orders` on the system that `make up` runs."""

from local.running import aim_at_running_system
from oms.commands import index_orders
from oms.commands.closed_pipe import run_until_unread


def main() -> None:
    aim_at_running_system("make index-orders")
    index_orders.main()


if __name__ == "__main__":
    run_until_unread(main)
