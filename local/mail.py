"""`make mail`: shows the mails that the local cloud has sent, the latest last."""

import os
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from local.access import Access
from local.errors import LocalCloudError
from local.logs import harmless
from local.port import port
from local.running import HAS_STOPPED, about_system, access_to
from oms.commands.closed_pipe import run_until_unread

type SentMail = dict[str, Any]


def main() -> None:
    try:
        mails = sent(access_to(about_system(port(), "make mail")), to=os.environ.get("TO", ""))
    except LocalCloudError as error:
        sys.exit(str(error))
    except OSError:
        sys.exit(HAS_STOPPED)
    print("\n".join(readable(mails)))


def sent(access: Access, *, to: str = "") -> list[SentMail]:
    """Returns the mails that the emulated SES accepted for addresses that contain `to`, oldest first."""
    accounts = access.read("/_ministack/ses/messages")["messages"]
    mails = [mail for of_account in accounts.values() for mail in of_account]
    matching = [mail for mail in mails if any(to.lower() in address.lower() for address in mail["To"])]
    return sorted(matching, key=lambda mail: float(mail["Timestamp"]))


def readable(mails: Sequence[SentMail]) -> Iterator[str]:
    if not mails:
        yield "No mail yet."
    for mail in mails:
        at = datetime.fromtimestamp(mail["Timestamp"], UTC)
        yield f"{at:%H:%M:%S}  to {harmless(', '.join(mail['To']))}"
        yield f"          {harmless(mail['Subject'])}"
        yield ""
        yield from (f"    {harmless(line)}".rstrip() for line in mail["BodyText"].splitlines())
        yield ""


if __name__ == "__main__":
    run_until_unread(main, status=0)
