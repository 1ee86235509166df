"""`make smoke` on the system that `make up` runs."""

import sys

from local.demo import PASSWORD
from local.errors import LocalCloudError
from local.listen import ADMIN
from local.port import port
from local.running import about_system
from oms.commands.closed_pipe import run_until_unread
from oms.commands.smoke import try_stage


def main() -> None:
    try:
        number = port()
        about_system(number, "make smoke")
    except LocalCloudError as error:
        sys.exit(str(error))
    try_stage(f"http://127.0.0.1:{number}", email=ADMIN, password=PASSWORD)


if __name__ == "__main__":
    run_until_unread(main)
