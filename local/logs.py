"""`make logs`: follows the logs of a running system's functions, as readable lines."""

import json
import os
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.errors import LocalCloudError
from local.log_reader import LogLine, LogReader
from local.port import port
from local.running import HAS_STOPPED, about_system, access_to
from oms.commands.closed_pipe import run_until_unread

POLL_SECONDS = 0.5
# The runtime's lines for the start and end of an invocation, and metrics, which are also log lines (EMF).
NOISE = ("START RequestId: ", "END RequestId: ", "REPORT RequestId: ", '{"_aws":')
# Fields that have a separate column, or whose information is in another field.
OMITTED_FIELDS = frozenset(
    (
        "level",
        "message",
        "timestamp",
        "service",
        "request_id",
        "location",
        "exception",
        "exception_name",
        "stack_trace",
        "xray_trace_id",
        "cold_start",
        "function_name",
        "function_memory_size",
        "function_arn",
    )
)
COLOURS = {"WARNING": "\x1b[33m", "ERROR": "\x1b[31m", "CRITICAL": "\x1b[31m"}
DIM, PLAIN = "\x1b[2m", "\x1b[0m"


def main() -> None:
    try:
        about = about_system(port(), "make logs")
        groups = _selected(about["log_groups"], os.environ.get("FUNCTION", ""))
        reader = LogReader(access_to(about).client("logs"), groups)
        while True:
            for line in reader.read():
                if text := readable(line, colour=sys.stdout.isatty()):
                    print(text, flush=True)
            time.sleep(POLL_SECONDS)
    except LocalCloudError as error:
        sys.exit(str(error))
    except (BotoCoreError, ClientError):
        sys.exit(HAS_STOPPED)
    except KeyboardInterrupt:
        pass


def _selected(groups: Mapping[str, str], function: str) -> dict[str, str]:
    found = {name: group for name, group in groups.items() if function.lower() in ("", name.lower())}
    if not found:
        raise LocalCloudError(f"There is no function {function}: choose one of {', '.join(sorted(groups))}.")
    return found


def readable(line: LogLine, *, colour: bool = False) -> str | None:
    """Returns the readable line, followed by the traceback of an exception; None for a line without information."""
    if line.text.startswith(NOISE) or not line.text.strip():
        return None
    fields = _json_fields(line.text)
    if fields is None:
        # Printed text, the traceback of an uncaught exception, or a timeout.
        return f"{_clock(line.at)}  {line.function:<12}          {harmless(line.text)}"
    level = str(fields.get("level", ""))
    others = (f"{name}={harmless(_text(value))}" for name, value in fields.items() if name not in OMITTED_FIELDS)
    message = "  ".join((harmless(_text(fields.get("message", ""))), *others))
    time_of_day = _time_of_day(fields.get("timestamp")) or _clock(line.at)
    request = f"  {harmless(str(fields['request_id']))}" if "request_id" in fields else ""
    stack = "".join(f"\n    {harmless(row)}" for row in str(fields.get("exception") or "").splitlines())
    if colour:
        shade = COLOURS.get(level, PLAIN)
        return (
            f"{DIM}{time_of_day}{PLAIN}  {line.function:<12}{shade}{level:<8}  {message}{PLAIN}"
            f"{DIM}{request}{stack}{PLAIN}"
        )
    return f"{time_of_day}  {line.function:<12}{level:<8}  {message}{request}{stack}"


def _json_fields(text: str) -> dict[str, Any] | None:
    with suppress(ValueError, RecursionError):
        if isinstance(fields := json.loads(text), dict):
            return fields
    return None


def _time_of_day(timestamp: object) -> str | None:
    """Returns the time of day in UTC of Powertools' timestamp, such as 2026-01-31 09:30:00,123+0000."""
    with suppress(ValueError):
        moment = datetime.strptime(str(timestamp), "%Y-%m-%d %H:%M:%S,%f%z").astimezone(UTC)
        return moment.strftime("%H:%M:%S.") + f"{moment.microsecond // 1000:03}"
    return None


def _clock(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds // 1000, UTC)
    return f"{moment:%H:%M:%S}.{milliseconds % 1000:03}"


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def harmless(text: str) -> str:
    """Returns the text with control characters escaped, so that a client's text cannot control the terminal or add a
    line.
    """
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


if __name__ == "__main__":
    run_until_unread(main, status=0)
