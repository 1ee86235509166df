"""The links, paths, modules and names of the pages exist. test_first_day.py covers the commands."""

import ast
import json
import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from posixpath import dirname, join, normpath

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
SHARED = "layers/shared/python"
INDEX = "docs/README.md"
DECISIONS = ROOT / "docs/decisions"
# For people, so that the document leaves it out.
PAGES_OF_THE_API = {"GET /docs", "GET /docs/errors"}
PAGES = sorted(
    str(it.relative_to(ROOT))
    for pattern in (
        "*.md",
        "docs/**/*.md",
        "tests/*.md",
        "benchmarks/*.md",
        "functions/docs/*.md",
        "clients/*/*.md",
        ".github/**/*.md",
    )
    for it in ROOT.glob(pattern)
)
# They describe the day on which they were written.
HISTORY = re.compile(r"CHANGELOG\.md|docs/decisions/2.*")
PRESENT = [it for it in PAGES if not HISTORY.fullmatch(it)]
# Files of the pages' examples, built files, and names that only look like a path or a module.
EXAMPLES = {"functions/crm/handler.py", "order.delivered.html"}
BUILT = re.compile(r"(?:build|cdk\.out|\.venv)/.*")
OTHER = {"oms.internal"}
FOLDERS = "|".join(
    it.name for it in ROOT.iterdir() if it.is_dir() and not it.name.startswith((".", "build", "cdk.out"))
)
SUFFIX = r"\.(?:py|md|toml|json|yml|svg|css|tsx?|html)"
PATH = re.compile(rf"(?:{FOLDERS}|\.ci|\.github|oms)/[\w./*-]*|[\w.*-]+(?:/[\w.*-]+)*{SUFFIX}")
# `retries.retrying`: a module of the shared code, and a name in it.
IN_MODULE = re.compile(r"([a-z_]+)\.(\w+)(?:\(.*\))?")
MODULE = re.compile(r"oms(?:\.\w+)+")
HTML_PICTURE = re.compile(r'\b(?:src|srcset)="([^"]+)"')
MARKDOWN = MarkdownIt("commonmark").enable("table")


def tokens(page: str) -> Iterator[Token]:
    for token in MARKDOWN.parse((ROOT / page).read_text()):
        yield token
        yield from token.children or ()


def code(page: str) -> list[str]:
    """Returns the texts of the page in backticks."""
    return [it.content for it in tokens(page) if it.type == "code_inline"]


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def anchors(page: str) -> set[str]:
    """Returns the anchors of a page's headings, as forges create them: a second one of the same name ends in -1."""
    parsed = MARKDOWN.parse((ROOT / page).read_text())
    found: list[str] = []
    for token, inline in pairwise(parsed):
        if token.type == "heading_open":
            text = "".join(it.content for it in inline.children or () if it.type in ("text", "code_inline"))
            found.append(slug(text))
    return {name if not found[:i].count(name) else f"{name}-{found[:i].count(name)}" for i, name in enumerate(found)}


@pytest.mark.parametrize("page", PAGES)
def test_each_link_leads_to_a_file_and_a_heading(page: str) -> None:
    targets = [
        str(it.attrGet("href") or it.attrGet("src") or "") for it in tokens(page) if it.type in ("link_open", "image")
    ]
    targets += [
        it for token in tokens(page) if token.type == "html_block" for it in HTML_PICTURE.findall(token.content)
    ]

    broken = []
    for target in targets:
        if re.match(r"https?:|mailto:|/", target):
            continue
        to, _, anchor = target.partition("#")
        file = normpath(join(dirname(page), to)) if to else page
        if not (ROOT / file).exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", PRESENT)
def test_each_path_that_a_page_names_is_there(page: str) -> None:
    named = {it for text in code(page) for it in text.split() if PATH.fullmatch(it)} - EXAMPLES

    assert [it for it in sorted(named) if not (is_there(it, page) or BUILT.match(it))] == []


def is_there(path: str, page: str) -> bool:
    """Whether a path exists from the root, beside the page, or in the shared code as `oms/…` or `orders/…`; a name
    without a folder may be anywhere. `*` is any name.
    """
    path = path.rstrip("/")
    places = (ROOT, ROOT / dirname(page), ROOT / SHARED, ROOT / SHARED / "oms", ROOT / "tests/support", ROOT / "docs")
    if any(next(place.glob(path), None) is not None for place in places):
        return True
    return "/" not in path and path in names_of_files()


@cache
def names_of_files() -> set[str]:
    folders = (it for it in ROOT.iterdir() if re.fullmatch(FOLDERS, it.name) and it.name != "node_modules")
    return {it.name for folder in folders for it in folder.rglob("*.*")}


@pytest.mark.parametrize("page", [*PAGES, "local/openapi/overview.md"])
def test_no_line_of_prose_is_longer_than_120_characters(page: str) -> None:
    """Except rows of tables, code, and a link or name that cannot be broken."""
    text = re.sub(r"^ *```.*?^ *```", "", (ROOT / page).read_text(), flags=re.MULTILINE | re.DOTALL)

    lines = [it for it in text.splitlines() if len(it) > 120 and not it.startswith("|")]
    assert [it for it in lines if not re.search(r"\S{80,}|`[^`]{80,}`", it)] == []


@pytest.mark.parametrize("page", [it for it in PRESENT if it.startswith(("docs/develop/", "CONTRIBUTING", "tests/"))])
def test_each_name_of_a_module_that_a_page_calls_by_both_is_there(page: str) -> None:
    named = {match.groups() for text in code(page) if (match := IN_MODULE.fullmatch(text))}

    modules = {name: [it for it in all_modules() if it.stem == name] for name, _ in named}
    wrong = [
        f"{module}.{name}"
        for module, name in sorted(named)
        if modules[module] and not any(name in names_in(it) for it in modules[module]) and name != "py"
    ]
    assert wrong == []


@cache
def all_modules() -> list[Path]:
    return sorted((ROOT / SHARED / "oms").rglob("*.py"))


@pytest.mark.parametrize("page", PRESENT)
def test_each_module_and_name_of_the_shared_code_is_there(page: str) -> None:
    named = {it for text in code(page) for it in MODULE.findall(text) if MODULE.fullmatch(it) or " " in text}

    assert [it for it in sorted(named - OTHER) if not is_defined(it)] == []


def is_defined(dotted: str) -> bool:
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        package, module = (
            ROOT.joinpath(SHARED, *parts[:length]),
            ROOT.joinpath(SHARED, *parts[:length]).with_suffix(".py"),
        )
        if package.is_dir() and length == len(parts):
            return True
        if module.is_file():
            return length == len(parts) or parts[length] in names_in(module)
    return False


@cache
def names_in(module: Path) -> set[str]:
    return {name for node in ast.parse(module.read_text()).body for name in defined(node)}


def defined(node: ast.stmt) -> list[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Assign(targets=targets):
            return [it.id for it in targets if isinstance(it, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)) | ast.TypeAlias(name=ast.Name(id=name)):
            return [name]
        case _:
            return []


def test_the_index_names_each_page_once_and_no_other() -> None:
    entries = re.findall(r"^- \[[^\]]+\]\(([^)]+)\)", (ROOT / INDEX).read_text(), re.MULTILINE)

    listed = [normpath(join("docs", it)) for it in entries]
    pages = {it for it in PAGES if it.startswith("docs/") and not it.startswith("docs/decisions/2")} - {INDEX}
    assert sorted(it for it in listed if it.startswith("docs/")) == sorted(pages)
    assert len(listed) == len(set(listed))


def test_the_table_of_decisions_has_each_with_its_title_newest_first() -> None:
    rows = re.findall(
        r"^\| (\S+) \| \[(.+)\]\((\S+)\) \| (.+) \|$", (DECISIONS / "README.md").read_text(), re.MULTILINE
    )
    files = sorted((it.name for it in DECISIONS.glob("2*.md")), reverse=True)

    assert [(name, date, title) for date, title, name, _ in rows] == [
        (it, it[:10], (DECISIONS / it).read_text().splitlines()[0].removeprefix("# ")) for it in files
    ]


def test_a_decision_that_is_overturned_says_so_in_the_table_and_in_its_text() -> None:
    rows = re.findall(r"\]\((\S+)\) \| (.+) \|$", (DECISIONS / "README.md").read_text(), re.MULTILINE)

    for name, status in rows:
        text = (DECISIONS / name).read_text()
        replaced_by = re.findall(r"\((2[^)]+\.md)\)", status)
        assert status == "in force" or re.fullmatch(r"overturned (in part )?by \[.+\]\(2.+\.md\)", status), name
        assert ("overturned" in text.lower()) == bool(replaced_by), name
        assert all(f"]({it})" in text for it in replaced_by), name


def test_the_table_of_routes_has_those_of_the_document() -> None:
    document = json.loads((ROOT / "functions/docs/openapi.json").read_text())
    operations = {
        f"{method.upper()} {path.removeprefix('/api/v1')}"
        for path, methods in document["paths"].items()
        for method in methods
        if method in ("get", "post", "put", "patch", "delete")
    } | PAGES_OF_THE_API
    table = (ROOT / "docs/integrate/routes.md").read_text()
    rows = re.findall(r"^\| ([A-Z, ]+) (\S+)(?: · ([A-Z]+) (\S+))? \| (?:-|[CMA][^|]*) \|", table, re.MULTILINE)
    listed = {f"{method} {path}" for methods, path, _, _ in rows for method in methods.split(", ")}
    listed |= {f"{method} {path}" for _, _, method, path in rows if method}

    def shape(operation: str) -> str:
        return re.sub(r"\{.*?\}", "{}", operation)

    assert {shape(it) for it in listed} == {shape(it) for it in operations}


def test_the_architecture_lists_the_packages_in_their_order() -> None:
    listed = re.findall(r"^\| `oms/(\w+)` \|", (ROOT / "docs/develop/architecture.md").read_text(), re.MULTILINE)
    (layers,) = re.findall(r"^LAYERS = \((.*?)^\)", (ROOT / "tests/unit/test_imports.py").read_text(), re.M | re.S)

    assert listed == re.findall(r'"(\w+)"', layers)


def test_the_changelog_has_versions_by_the_names_of_their_tags() -> None:
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert headings[0] == "Unreleased"
    assert [it for it in headings[1:] if not re.fullmatch(r"v\d+\.\d+\.\d+, \d{4}-\d\d-\d\d", it)] == []
