"""The command line `oms` on scripted answers: exports, interruptions, closed pipes, completion."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import httpx
import pytest

from oms_client.cli import cli, run
from oms_client.cli.profiles import ProfileStore
from oms_client.cli.state import State
from oms_client.credentials import Tokens
from tests.support.client import URL, Terminal, scripted

FILE = b"sku,quantity\r\nA,1\r\n"
EXPORT = {
    **{"id": "e", "report": "orders", "format": "csv", "gzip": False, "bom": False, "columns": [], "rows": 1},
    **{
        "filters": {"from": None, "to": None, "status": None},
        "progress": 100,
        "sha256": hashlib.sha256(FILE).hexdigest(),
    },
    **{"size": len(FILE), "failure": None, "created_at": "2026-01-31T09:30:00Z", "created_by": "u"},
    **{"finished_at": None, "url": "https://bucket.test/file?signature=x", "url_expires_at": None},
}
ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OMS_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("OMS_URL", URL)
    monkeypatch.setenv("OMS_KEY", "oms_key")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("time.sleep", lambda _: None)


def answered(status: str, **changes: Any) -> httpx.Response:
    return httpx.Response(202, json=EXPORT | {"status": status} | changes)


def test_an_export_is_awaited_and_written(capsys: pytest.CaptureFixture[str]) -> None:
    sent: list[httpx.Request] = []
    script = [answered("queued"), answered("running"), answered("done"), httpx.Response(200, content=FILE)]
    oms = Terminal(scripted(script, sent), capsys)

    assert oms.run("export", "orders", "--from", "2026-01-01", "--status", "shipped") == 0

    assert Path("orders.csv").read_bytes() == FILE
    assert b'"from":"2026-01-01"' in sent[0].content
    assert "Authorization" not in sent[-1].headers
    assert list(Path().glob("*.part")) == []


@pytest.mark.parametrize(
    "script",
    [
        [answered("failed", failure="too-large", url=None)],
        [answered("done"), httpx.Response(403)],
        [answered("done"), httpx.Response(200, content=FILE[:-1])],
        [answered("done"), httpx.ReadError("cut off")],
    ],
)
def test_a_file_that_is_not_whole_is_not_kept(script: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert Terminal(scripted(script, []), capsys).run("export", "orders") == 1

    assert list(Path().glob("orders*")) == []


def test_an_interruption_ends_without_a_trace(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(_: httpx.Request) -> httpx.Response:
        raise KeyboardInterrupt

    oms = Terminal(httpx.MockTransport(interrupt), capsys)

    assert oms.run("orders", "list") == 130
    assert oms.err == "Interrupted.\n"


def test_a_closed_pipe_ends_without_a_message() -> None:
    """With a real pipe and process: `oms … | head -0`."""
    program = "import sys; from oms_client.cli import main; main()"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "clients/python")}
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(
        [sys.executable, "-c", program, "completion", "bash"],
        stdout=writer,
        stderr=subprocess.PIPE,
        env=environment,
        check=False,
    )
    os.close(writer)

    assert (ended.returncode, ended.stderr) == (141, b"")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_completion(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", shell], State()) == 0
    assert "_OMS_COMPLETE" in capsys.readouterr().out


def commands(group: click.Group, prefix: str = "") -> dict[str, click.Command]:
    found: dict[str, click.Command] = {}
    for name, it in group.commands.items():
        found |= commands(it, f"{prefix}{name} ") if isinstance(it, click.Group) else {f"{prefix}{name}": it}
    return found


def test_each_command_has_json_a_text_and_no_option_for_a_secret() -> None:
    for name, command in commands(cli).items():
        options = {option for it in command.params for option in it.opts}
        assert "--json" in options, name
        assert command.help, name
        assert not options & {"--password", "--key", "--token", "--secret"}, name


def test_each_command_is_in_the_readme() -> None:
    text = (ROOT / "clients/python/README.md").read_text()

    assert [name for name in commands(cli) if f"oms {name}" not in text] == []


def test_a_profile_without_a_url_is_an_error_of_usage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("OMS_URL")

    assert run(["orders", "list"], State()) == 2
    assert "oms login --url" in capsys.readouterr().err


def test_the_tokens_of_a_profile_are_replaced_and_the_rest_stays(tmp_path: Path) -> None:
    store = ProfileStore("shop")
    with store.locked():
        store.save(Tokens("a", "r", "d"))
    with store.locked():
        store.save(Tokens("b", "s", "d"))

    assert store.load() == Tokens("b", "s", "d")
    assert {it.name for it in (tmp_path / "config").iterdir()} == {"lock", "profiles.json"}
