"""The changed files that a running system loads, and those that it ignores."""

from pathlib import Path

import pytest

from local.sources import Changes, snapshot


def changed(*paths: str) -> Changes:
    return Changes(frozenset(paths))


def write(root: Path, path: str, text: str = "") -> Path:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_changed_new_and_removed_files_are_found(tmp_path: Path) -> None:
    write(tmp_path, "functions/orders/handler.py", "1")
    removed = write(tmp_path, "functions/docs/old.py")
    write(tmp_path, "cdk.json", "same")
    before = snapshot(tmp_path)

    write(tmp_path, "functions/orders/handler.py", "12")
    removed.rename(removed.with_name("new.py"))
    after = snapshot(tmp_path)

    assert Changes.between(before, after).paths == {
        "functions/orders/handler.py",
        "functions/docs/old.py",
        "functions/docs/new.py",
    }


@pytest.mark.parametrize(
    "path",
    [
        "functions/orders/__pycache__/handler.cpython-313.pyc",
        "functions/orders/.handler.py.swp",
        "functions/orders/handler.py~",
        "functions/orders/#handler.py#",
        "tests/unit/test_money.py",
        "docs/integrate/events.md",
    ],
)
def test_a_file_that_no_function_runs_is_no_change(tmp_path: Path, path: str) -> None:
    write(tmp_path, path)

    assert snapshot(tmp_path) == {}


def test_a_package_the_shared_code_and_the_rest_are_distinguished() -> None:
    changes = changed(
        "functions/orders/handler.py",
        "functions/docs/openapi.json",
        "functions/README.md",
        "layers/shared/python/oms/http/api.py",
        "layers/shared/build.py",
        "infra/stack.py",
    )

    assert changes.packages == {"orders", "docs"}
    assert changes.shared
    assert changes.for_the_next_start == ["infra/stack.py", "layers/shared/build.py"]
    assert not changed("functions/orders/handler.py", "layers/dependencies/build.py").shared


def test_code_that_does_not_compile_is_named_with_its_line(tmp_path: Path) -> None:
    paths = ["functions/orders/handler.py", "layers/shared/python/oms/http/api.py", "functions/docs/openapi.json"]
    write(tmp_path, paths[0], "def f():\n    return (\n")
    write(tmp_path, paths[1], "x = 1\ny = = 2\n")
    write(tmp_path, paths[2], "{ not Python")

    mistakes = changed(*paths, "functions/orders/removed.py").mistakes(tmp_path)

    assert mistakes == [
        "functions/orders/handler.py:2: '(' was never closed",
        "layers/shared/python/oms/http/api.py:2: invalid syntax",
    ]


def test_a_file_that_only_the_next_start_reads_is_not_checked(tmp_path: Path) -> None:
    write(tmp_path, "infra/stack.py", "def")

    assert changed("infra/stack.py").mistakes(tmp_path) == []


def test_a_link_is_a_mistake_until_it_is_gone(tmp_path: Path) -> None:
    write(tmp_path, "elsewhere/module.py")
    write(tmp_path, "functions/orders/handler.py")
    before = snapshot(tmp_path)
    link = tmp_path / "functions" / "orders" / "linked"

    link.symlink_to(tmp_path / "elsewhere")
    changes = Changes.between(before, snapshot(tmp_path))

    assert changes.packages == {"orders"}
    assert [mistake.partition(":")[0] for mistake in changes.mistakes(tmp_path)] == ["functions/orders/linked"]
    link.unlink()
    assert snapshot(tmp_path) == before


def test_a_link_that_leads_nowhere_hides_no_other_file(tmp_path: Path) -> None:
    """An editor creates such a link for an open, unsaved file."""
    write(tmp_path, "functions/orders/handler.py")
    before = snapshot(tmp_path)

    (tmp_path / "functions" / "orders" / "lock").symlink_to("user@host.1234")

    assert snapshot(tmp_path) == before


def test_a_changed_template_of_a_mail_is_shared_code() -> None:
    changes = changed("layers/shared/python/oms/mail/templates/verify.txt")

    assert changes.shared
    assert changes.for_the_next_start == []
