"""`make redrive` on the system that `make up` runs."""

import os
import sys

from local.cloud import CREDENTIALS
from local.errors import LocalCloudError
from local.port import port
from local.running import about_system
from oms import redrive


def main() -> None:
    try:
        endpoint_url: str = about_system(port(), "make redrive")["endpoint_url"]
    except LocalCloudError as error:
        sys.exit(str(error))
    # Whatever AWS account the terminal is set up for.
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(CREDENTIALS | {"AWS_ENDPOINT_URL": endpoint_url})
    redrive.main()


if __name__ == "__main__":
    main()
