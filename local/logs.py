"""`make logs`: what the functions of a running system write, as it comes, in lines for people."""

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
from local.log_reader import Line, LogReader
from local.port import port
from local.running import HAS_STOPPED, about_system, access_to
from oms.commands.closed_pipe import run_until_unread

POLL_SECONDS = 0.5
# Of the runtime: when an invocation began and ended. Metrics are lines too (EMF).
NOISE = ("START RequestId: ", "END RequestId: ", "REPORT RequestId: ", '{"_aws":')
# Shown in columns of their own, or said by another field.
ELSEWHERE = frozenset(
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
        groups = _narrowed(about["log_groups"], os.environ.get("FUNCTION", ""))
        reader = LogReader(access_to(about).client("logs"), groups)
        while True:
            for line in reader.read():
                if shown := readable(line, colour=sys.stdout.isatty()):
                    print(shown, flush=True)
            time.sleep(POLL_SECONDS)
    except LocalCloudError as error:
        sys.exit(str(error))
    except (BotoCoreError, ClientError):
        sys.exit(HAS_STOPPED)
    except KeyboardInterrupt:
        pass


def _narrowed(groups: Mapping[str, str], wanted: str) -> dict[str, str]:
    found = {name: group for name, group in groups.items() if wanted.lower() in ("", name.lower())}
    if not found:
        raise LocalCloudError(f"There is no function {wanted}: choose one of {', '.join(sorted(groups))}.")
    return found


def readable(line: Line, *, colour: bool = False) -> str | None:
    """One line for people, with the stack of an exception beneath it; None for what says nothing."""
    if line.text.startswith(NOISE) or not line.text.strip():
        return None
    record = _record(line.text)
    if record is None:
        # What the code printed, the trace of a failure that nobody caught, a time-out.
        return f"{_clock(line.at)}  {line.function:<12}          {harmless(line.text)}"
    level = str(record.get("level", ""))
    fields = (f"{name}={harmless(_text(value))}" for name, value in record.items() if name not in ELSEWHERE)
    said = "  ".join((harmless(_text(record.get("message", ""))), *fields))
    moment = _moment(record.get("timestamp")) or _clock(line.at)
    request = f"  {harmless(str(record['request_id']))}" if "request_id" in record else ""
    stack = "".join(f"\n    {harmless(row)}" for row in str(record.get("exception") or "").splitlines())
    if colour:
        shade = COLOURS.get(level, PLAIN)
        return f"{DIM}{moment}{PLAIN}  {line.function:<12}{shade}{level:<8}  {said}{PLAIN}{DIM}{request}{stack}{PLAIN}"
    return f"{moment}  {line.function:<12}{level:<8}  {said}{request}{stack}"


def _record(text: str) -> dict[str, Any] | None:
    with suppress(ValueError, RecursionError):
        if isinstance(record := json.loads(text), dict):
            return record
    return None


def _moment(timestamp: object) -> str | None:
    """Powertools' 2026-01-31 09:30:00,123+0000 as the time of day in UTC."""
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
    """What a client sent is not to move the cursor, colour the terminal or begin a line of its own."""
    return "".join(it if it.isprintable() else it.encode("unicode_escape").decode("ascii") for it in text)


if __name__ == "__main__":
    run_until_unread(main, status=0)
