"""Edits that cannot be loaded at once. `tests/integration/test_reload.py` tests the rest."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local import reload
from local.errors import LocalCloudError
from local.reload import Reloader
from local.sources import Snapshot, snapshot

PACKAGES = ("docs", "orders")
BUSY = "An error occurred (ServiceException) when calling the UpdateFunctionCode operation: busy"


class System:
    """Replaces a running system of two functions, and Lambda; `refuses` names the error of the next update."""

    def __init__(self, sources: Snapshot) -> None:
        self.sources = sources
        self.updated: list[str] = []
        self.refuses: list[str] = []
        self.why_it_ended: str | None = None
        self.front_door = self

    def ended(self) -> str | None:
        return self.why_it_ended

    def http_paths(self) -> dict[str, str]:
        return {}

    def functions(self) -> dict[str, dict[str, Any]]:
        return {name.title(): {"FunctionName": name, "Handler": f"{name}.handler"} for name in PACKAGES}

    def client(self, _service: str) -> "System":
        return self

    def paused(self) -> AbstractContextManager[None]:
        return nullcontext()

    def update_function_code(self, *, FunctionName: str, ZipFile: bytes) -> None:  # noqa: N803
        assert ZipFile
        if FunctionName in self.refuses:
            self.refuses.remove(FunctionName)
            raise ClientError({"Error": {"Code": "ServiceException", "Message": "busy"}}, "UpdateFunctionCode")
        self.updated.append(FunctionName)


def denied(_: Path) -> bytes:
    raise PermissionError(13, "Permission denied")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for package in PACKAGES:
        (tmp_path / "functions" / package).mkdir(parents=True)
        (tmp_path / "functions" / package / "handler.py").write_text("")
    monkeypatch.setattr(reload, "ROOT", tmp_path)
    for seconds in ("POLL_SECONDS", "SETTLE_SECONDS", "RETRY_SECONDS"):
        monkeypatch.setattr(reload, seconds, 0)
    return tmp_path


@pytest.fixture
def system(root: Path) -> System:
    return System(snapshot(root))


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def reloader(system: Any, said: list[str]) -> Reloader:
    return Reloader(system, said.append, lambda: "/")


def test_an_emulator_that_has_died_ends_it_with_the_cause(reloader: Reloader, system: System) -> None:
    reloader.step()
    system.why_it_ended = "The local cloud ended unexpectedly (signal 9, SIGKILL: out of memory?)."

    with pytest.raises(LocalCloudError, match="out of memory"):
        reloader.step()


def test_an_update_that_fails_is_made_again_without_another_save(
    reloader: Reloader, system: System, root: Path, said: list[str]
) -> None:
    system.refuses = ["orders", "orders"]
    (root / "functions/orders/handler.py").write_text("A = 1")

    for _ in range(5):
        reloader.step()

    assert system.updated == ["orders"]
    assert [line.split(" in ")[0] for line in said] == [f"Not reloaded, will be retried: {BUSY}", "Reloaded Orders"]


def test_a_file_that_cannot_be_read_is_reported_and_read_again(
    reloader: Reloader, system: System, root: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as forbidden:
        forbidden.setattr(Path, "read_bytes", denied)
        (root / "functions/orders/handler.py").write_text("A = 1")
        reloader.step()
    assert said == ["Not reloaded, will be retried: [Errno 13] Permission denied"]

    reloader.step()

    assert system.updated == ["orders"]


def test_files_removed_again_after_half_an_update_are_removed_from_the_functions(
    reloader: Reloader, system: System, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "RETRY_SECONDS", 1000)
    added = [root / "functions" / package / "added.py" for package in PACKAGES]
    system.refuses = ["orders"]
    for file in added:
        file.write_text("A = 1")
    reloader.step()

    for file in added:
        file.unlink()
    reloader.step()

    assert system.updated == ["docs", "docs", "orders"]


def test_code_that_does_not_compile_waits_for_the_next_save(
    reloader: Reloader, system: System, root: Path, said: list[str]
) -> None:
    (root / "functions/orders/handler.py").write_text("def")

    for _ in range(3):
        reloader.step()

    assert said == ["Not reloaded: functions/orders/handler.py:1: invalid syntax"]
    assert system.updated == []
