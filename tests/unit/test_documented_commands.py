"""The commands that the pages show: what they call exists, with the options that they give it."""

import re
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import xform_name
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    it for pattern in ("*.md", "docs/[dio]*/*.md", "tests/*.md", "benchmarks/*.md") for it in ROOT.glob(pattern)
)
# Commands of the AWS command line that are more than one operation of the API.
COMPOSED = {("logs", "tail"), ("configure", "list"), ("configure", "sso"), ("sso", "login")}
# Options of the AWS command line for every command.
OPTIONS = {"query", "output", "region", "profile", "cli-binary-format"}
INNER = re.compile(r"\$\(([^()]*)\)")
MARKDOWN = MarkdownIt("commonmark").enable("table")


def commands(page: Path) -> Iterator[str]:
    """Yields each command line of a page, and each that is inside another one as `$(…)`."""
    for token in (inner for outer in MARKDOWN.parse(page.read_text()) for inner in (outer, *(outer.children or ()))):
        if token.type not in ("fence", "code_inline"):
            continue
        text = token.content.replace("\\\n", " ")
        while found := INNER.search(text):
            yield " ".join(found[1].split())
            text = f"{text[: found.start()]}X{text[found.end() :]}"
        yield from re.split(r"\n|[|;] |&& ", text)


def calls_of_aws(page: Path) -> Iterator[tuple[str, str, str]]:
    """Yields service, operation and the rest of each call of the AWS command line."""
    for command in commands(page):
        yield from re.findall(r"\baws ([a-z0-9-]+) ([a-z0-9-]+)([^#;|]*)", command)


@cache
def model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


@pytest.mark.parametrize("page", PAGES, ids=lambda it: it.name)
def test_each_call_of_aws_is_an_operation_with_these_options(page: Path) -> None:
    wrong = []
    for service, command, rest in calls_of_aws(page):
        if (service, command) in COMPOSED:
            continue
        names = {xform_name(it, "-"): it for it in model(service).operation_names}
        assert command in names, f"aws {service} {command} is not an operation"
        operation = model(service).operation_model(names[command])
        members = {xform_name(it, "-") for it in operation.input_shape.members} if operation.input_shape else set()
        known = OPTIONS | members | {f"no-{it}" for it in members}
        wrong += [f"aws {service} {command} --{it}" for it in re.findall(r" --([a-z-]+)", rest) if it not in known]
        for selected in re.findall(r"--query ['\"]?\[?(\w+)", rest):
            if selected not in operation.output_shape.members:
                wrong.append(f"aws {service} {command} --query {selected}")
    assert wrong == []


def test_the_calls_of_aws_are_read() -> None:
    found = {call[:2] for page in PAGES for call in calls_of_aws(page)}

    assert {("logs", "tail"), ("lambda", "get-alias"), ("cloudformation", "describe-stacks")} <= found
    assert len(found) > 25


@pytest.mark.parametrize("page", PAGES, ids=lambda it: it.name)
def test_each_variable_of_a_target_is_read(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    # A variable before `make` may also be one of the environment, which a program reads.
    programs = "".join(it.read_text() for folder in ("local", "tests") for it in (ROOT / folder).glob("*.py"))

    unread = []
    for command in commands(page):
        for before, after in re.findall(r"((?:[A-Z_]+=\S+ )*)\bmake ([^#|;]*)", command):
            names = [(it, makefile + programs) for it in re.findall(r"([A-Z_]+)=", before)]
            names += [(it, makefile) for it in re.findall(r"\b([A-Z_]+)=", after)]
            unread += [name for name, text in names if not re.search(rf"\b{name}\b", text)]
    assert unread == []


@pytest.mark.parametrize("page", PAGES, ids=lambda it: it.name)
def test_each_module_that_is_run_exists(page: Path) -> None:
    modules = {it for command in commands(page) for it in re.findall(r"python3? -m ([\w.]+)", command)}

    assert [it for it in sorted(modules) if find_spec(it) is None] == []
