"""`make rebuild-reports` on the system that `make up` runs."""

from local.running import aim_at_running_system
from oms.reports import rebuild


def main() -> None:
    aim_at_running_system("make rebuild-reports")
    rebuild.main()


if __name__ == "__main__":
    main()
