"""A kept assembly is used only if the app would be synthesized to the same one now."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from local import synthesis
from local.errors import LocalCloudError
from local.sources import WATCHED


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root folder with sources of the same structure."""
    folder = tmp_path / "root"
    for name in WATCHED:
        file = folder / name if "." in name else folder / name / "nested" / "file"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text('{"context": {}}' if name == "cdk.json" else "content")
    return folder


class App:
    """Replaces `python -m infra.app`: writes an assembly, and counts its runs."""

    def __init__(self) -> None:
        self.runs = 0
        self.code = 0
        self.meanwhile: Callable[[], None] = lambda: None

    def run(self, command: list[str], environment: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
        assert command[-1] == "infra.app"
        assert folder.is_dir()
        self.runs += 1
        out = Path(environment["CDK_OUTDIR"])
        (out / "asset.1").mkdir(parents=True)
        (out / "asset.1" / "handler.py").write_text(environment["CDK_CONTEXT_JSON"])
        self.meanwhile()
        return subprocess.CompletedProcess(command, self.code, "what went wrong")


@pytest.fixture
def app(root: Path, monkeypatch: pytest.MonkeyPatch) -> App:
    played = App()
    monkeypatch.setattr(synthesis, "run", played.run)
    monkeypatch.setattr(synthesis, "ROOT", root)
    monkeypatch.setattr(synthesis, "CACHE", root / "build")
    return played


@pytest.fixture
def synthesized(app: App, tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Synthesizes into a new folder; returns its files with their content."""

    def synthesize(settings: dict[str, object] | None = None, **variables: str) -> dict[str, str]:
        folder = tmp_path / os.urandom(8).hex()
        synthesis.synthesize(folder, settings or {}, variables)
        return {str(it.relative_to(folder)): it.read_text() for it in folder.rglob("*") if it.is_file()}

    return synthesize


def test_the_same_inputs_are_synthesized_once(app: App, synthesized: Callable[..., dict[str, str]]) -> None:
    first, second = synthesized({"login_limit": 9}), synthesized({"login_limit": 9})

    assert app.runs == 1
    assert first == second != {}


@pytest.mark.parametrize("name", WATCHED)
def test_any_change_of_a_source_is_synthesized(
    app: App, synthesized: Callable[..., dict[str, str]], root: Path, name: str
) -> None:
    file = root / name if "." in name else root / name / "nested" / "file"
    added = file.with_name(".hidden") if "." not in name else None
    synthesized()

    file.write_text(file.read_text() + " ")
    synthesized()
    file.chmod(0o700)
    synthesized()
    if added:
        added.write_text("")
        synthesized()
        added.unlink()

    assert app.runs == (4 if added else 3)


def test_other_settings_variables_and_packages_are_synthesized(
    app: App, synthesized: Callable[..., dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    synthesized()
    synthesized({"login_limit": 9})
    synthesized(AWS_REGION="eu-west-1")
    monkeypatch.setattr("importlib.metadata.distributions", list)
    synthesized()

    assert app.runs == 4


def test_a_source_that_changed_during_the_synthesis_is_not_kept(
    app: App, synthesized: Callable[..., dict[str, str]], root: Path
) -> None:
    original = (root / "pyproject.toml").read_text()
    app.meanwhile = lambda: (root / "pyproject.toml").write_text("edited") and None
    synthesized()

    app.meanwhile = lambda: None
    (root / "pyproject.toml").write_text(original)
    synthesized()

    assert app.runs == 2


def test_a_failure_is_reported_and_not_cached(app: App, synthesized: Callable[..., dict[str, str]]) -> None:
    app.code = 1
    with pytest.raises(LocalCloudError, match="what went wrong"):
        synthesized()

    app.code = 0
    synthesized()
    assert app.runs == 2


def test_only_the_last_ones_used_are_kept(
    app: App, synthesized: Callable[..., dict[str, str]], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(synthesis, "COPY_SECONDS", 0)
    for limit in range(1, synthesis.MAX_CACHED + 3):
        synthesized({"login_limit": limit})

    assert len(list((root / "build").iterdir())) == synthesis.MAX_CACHED
    synthesized({"login_limit": synthesis.MAX_CACHED + 2})
    assert app.runs == synthesis.MAX_CACHED + 2, "the newest is there"


def test_removing_an_old_one_that_is_cut_off_leaves_nothing_under_its_key(
    app: App, synthesized: Callable[..., dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = synthesized({"login_limit": 0})
    for limit in range(1, synthesis.MAX_CACHED):
        synthesized({"login_limit": limit})

    unlink = os.unlink

    def unlink_one(path: str, *, dir_fd: int) -> None:
        unlink(path, dir_fd=dir_fd)
        raise KeyboardInterrupt

    with monkeypatch.context() as cut_off:
        cut_off.setattr(synthesis, "COPY_SECONDS", 0)
        cut_off.setattr(os, "unlink", unlink_one)
        with pytest.raises(KeyboardInterrupt):
            synthesized({"login_limit": synthesis.MAX_CACHED})

    assert synthesized({"login_limit": 0}) == first
    assert app.runs == synthesis.MAX_CACHED + 2, "it is gone, and created again"


def test_a_file_that_another_process_removes_meanwhile_is_no_failure(
    app: App, synthesized: Callable[..., dict[str, str]], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = Path.iterdir
    removed = root / "build" / "0123"
    monkeypatch.setattr(Path, "iterdir", lambda folder: [*listed(folder), removed])

    assert synthesized() == synthesized()
    assert app.runs == 1


def test_one_that_is_removed_while_it_is_copied_is_synthesized(
    app: App, synthesized: Callable[..., dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = synthesized()
    copytree = shutil.copytree

    def vanishing(source: str, target: str) -> None:
        Path(source).unlink()
        shutil.copy2(source, target)

    def copytree_once(source: Path, target: Path) -> None:
        monkeypatch.setattr(shutil, "copytree", copytree)
        copytree(source, target, copy_function=vanishing)

    monkeypatch.setattr(shutil, "copytree", copytree_once)

    assert synthesized() == first
    assert app.runs == 2


def test_the_remains_of_a_killed_process_are_removed(synthesized: Callable[..., dict[str, str]], root: Path) -> None:
    left, under_way = (root / "build" / f"partial-{name}" / "assembly" for name in ("left", "under-way"))
    left.mkdir(parents=True)
    under_way.mkdir(parents=True)
    long_ago = time.time() - synthesis.COPY_SECONDS - 1
    os.utime(left.parent, (long_ago, long_ago))

    synthesized()

    assert not left.parent.exists()
    assert under_way.exists()


@pytest.mark.parametrize("behind", ["folder", "folder/file"])
def test_a_link_is_refused_as_its_target_changes_unseen(
    app: App, synthesized: Callable[..., dict[str, str]], root: Path, tmp_path: Path, behind: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("")
    link = root / "functions" / "linked"
    link.symlink_to(tmp_path / behind)

    with pytest.raises(LocalCloudError, match="functions/linked: a link, "):
        synthesized()

    link.unlink()
    link.symlink_to("user@host.1")
    synthesized()
    assert app.runs == 1, "Emacs marks an open file by a dangling link"
