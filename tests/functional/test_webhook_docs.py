"""A22: the code in docs/integrate/webhooks.md runs, and verifies the requests of the sender."""

import json
import re
import subprocess
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from oms.webhooks.schedule import DELAYS, DISABLED_AFTER
from oms.webhooks.signature import new_secret, signed_headers

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/integrate/webhooks.md").read_text()
SNIPPETS = dict(re.findall(r"<!-- snippet: (\w+) -->\n```\w+\n(.*?)```", PAGE, re.DOTALL))
NODE = ROOT / ".venv/bin/node"

SECRET = new_secret()
BODY = '{"type": "order.created", "note": "Grüße, 你好"}'.encode()

type Verifies = Callable[[str, Mapping[str, str], bytes], bool]


def by_python(name: str) -> Callable[[Path], Verifies]:
    def prepare(_: Path) -> Verifies:
        names: dict[str, Any] = {}
        exec(SNIPPETS[name], names)  # noqa: S102 - the page's own text

        def verifies(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
            try:
                event = names["verify"](secret, headers, body)
            except ValueError:
                return False
            assert event == json.loads(body)
            return True

        return verifies

    return prepare


def by_node(folder: Path) -> Verifies:
    run = """
import { verify } from "./verify.mjs";
const { secret, headers, body } = JSON.parse(process.argv[2]);
const bytes = Buffer.from(body, "hex");
let event = null;
try { event = verify(secret, headers, bytes); } catch (error) { console.error(error.message); process.exit(1); }
if (event.type !== "order.created") process.exit(2);
"""
    (folder / "verify.mjs").write_text(SNIPPETS["javascript"])
    (folder / "run.mjs").write_text(run)

    def verifies(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
        given = json.dumps({"secret": secret, "headers": headers, "body": body.hex()})
        ended = subprocess.run([NODE, "run.mjs", given], cwd=folder, capture_output=True, text=True, check=False)
        assert ended.returncode == 0 or (ended.returncode == 1 and ended.stderr.startswith("the ")), ended.stderr
        return ended.returncode == 0

    return verifies


def by_openssl(folder: Path) -> Verifies:
    def verifies(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
        (folder / "body.json").write_bytes(body)
        given = {
            "SECRET": secret,
            "ID": headers.get("webhook-id", ""),
            "TIMESTAMP": headers.get("webhook-timestamp", ""),
            "SIGNATURE": headers.get("webhook-signature", ""),
            "PATH": "/usr/bin:/bin",
        }
        command = ["/bin/sh", "-eu", "-c", SNIPPETS["openssl"]]
        ended = subprocess.run(command, cwd=folder, env=given, capture_output=True, text=True, check=False)
        assert (ended.returncode, ended.stdout) in ((0, "verified\n"), (1, "not verified\n")), ended.stderr
        return ended.returncode == 0

    return verifies


WAYS: dict[str, Callable[[Path], Verifies]] = {
    "standardwebhooks": by_python("standardwebhooks"),
    "python": by_python("python"),
    "javascript": by_node,
    "openssl": by_openssl,
}


def signed(*secrets: str, seconds: int = 0) -> dict[str, str]:
    """Returns the headers of a request sent this number of seconds from now: verifiers check the time."""
    at = int(datetime.now(UTC).timestamp()) + seconds
    return signed_headers("EVENT1", at, BODY, secrets or [SECRET])


def test_every_snippet_of_the_page_is_tried() -> None:
    assert SNIPPETS.keys() == WAYS.keys()


@pytest.mark.parametrize("way", WAYS)
def test_a22_sent_requests_verify_as_the_page_says(way: str, tmp_path: Path) -> None:
    verifies = WAYS[way](tmp_path)

    assert verifies(SECRET, signed(), BODY)


@pytest.mark.parametrize("way", WAYS)
def test_a22_while_a_secret_is_rotated_old_and_new_verify_as_the_page_says(way: str, tmp_path: Path) -> None:
    verifies, old, new = WAYS[way](tmp_path), new_secret(), new_secret()

    assert [verifies(it, signed(new, old), BODY) for it in (new, old, SECRET)] == [True, True, False]


type Headers = dict[str, str]

CHANGES: dict[str, Callable[[Headers], Headers]] = {
    "id": lambda _: {"webhook-id": "EVENT2"},
    "time": lambda sent: {"webhook-timestamp": str(int(sent["webhook-timestamp"]) + 1)},
    "signature": lambda _: {"webhook-signature": signed(new_secret())["webhook-signature"]},
    "version": lambda sent: {"webhook-signature": sent["webhook-signature"].replace("v1,", "v2,")},
    "no signature": lambda _: {"webhook-signature": ""},
    "half a signature": lambda sent: {"webhook-signature": sent["webhook-signature"][:20]},
    "no time": lambda _: {"webhook-timestamp": ""},
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("way", WAYS)
def test_a22_a_tampered_request_does_not_verify(way: str, change: str, tmp_path: Path) -> None:
    verifies, sent = WAYS[way](tmp_path), signed()

    assert verifies(SECRET, sent, BODY)
    assert not verifies(SECRET, sent | CHANGES[change](sent), BODY)


@pytest.mark.parametrize("way", WAYS)
def test_a22_another_body_does_not_verify(way: str, tmp_path: Path) -> None:
    assert not WAYS[way](tmp_path)(SECRET, signed(), BODY + b" ")


@pytest.mark.parametrize("way", [way for way in WAYS if way != "openssl"])
@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_a22_a_request_too_old_or_ahead_does_not_verify(way: str, seconds: int, tmp_path: Path) -> None:
    assert not WAYS[way](tmp_path)(SECRET, signed(seconds=seconds), BODY)


def test_the_schedule_of_the_page_is_the_code_s() -> None:
    text = " ".join(PAGE.split())

    assert [it.total_seconds() for it in DELAYS] == [5, 300, 1800, *(3600 * hours for hours in (2, 5, 10, 14, 20, 24))]
    assert "after 5 seconds, then after 5 minutes, 30 minutes, 2, 5, 10, 14, 20 and 24 hours" in text
    assert (DISABLED_AFTER.days, "**Five days** of failures" in text) == (5, True)
