"""docs/operate/operations.md has a section for each alarm, with true figures, and no other.

The outputs, log lines and metrics in the pages for operators exist in the template and in the code.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from infra.api import ACCESS_LOG
from tests.support.alarms import alarms
from tests.support.log_lines import LogLines, logged_by
from tests.support.metrics import ROOT
from tests.support.template import Synthesized

PAGES = sorted(path for folder in ("operate", "integrate", "develop") for path in (ROOT / "docs" / folder).glob("*.md"))
FILTER = re.compile(r"--filter-pattern '\{ (.*?) \}'")
# `$.level = "ERROR"`
CONDITION = re.compile(r'\$\.(\w+) (?:=|!=|>=|>) (?:"(.*)"|\d+)')
# "(`ended an abandoned replay` in the log of `Sweeper`)"
QUOTED = re.compile(r"`([^`]+)` in the log of `(\w+)`")
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
NAMES_OF_AWS = {
    *("ApiGatewayDomainName", "CachingDisabled", "GetObjectVersion", "MailFromDomainNotVerifiedException"),
    *("ChangeMessageVisibility", "DeleteMessage", "PutEvents", "ReceiveMessage"),
}
RUNBOOK = (ROOT / "docs/operate/operations.md").read_text()
SEE = re.compile(r"[.?] See docs/operate/operations\.md#([a-z-]+)$")
ROW = re.compile(r"^\| ((?:`\w+Behind`(?:, )?)+) \| ([^|]+) \|", re.MULTILINE)
SECONDS = {"min": 60, "h": 3600}


def sections() -> dict[str, str]:
    """Returns anchor → text of the sections below the heading "Alarms"."""
    _, _, below = RUNBOOK.partition("\n## Alarms\n")
    parts = re.split(r"^### (.+)$", below, flags=re.MULTILINE)[1:]
    # As GitHub creates an anchor from a heading.
    return {title.lower().replace(" ", "-"): text for title, text in zip(parts[::2], parts[1::2], strict=True)}


def anchor_of(alarm: dict[str, str]) -> str:
    found = SEE.search(alarm["AlarmDescription"])
    assert found, f"{alarm['AlarmDescription']!r} names no section"
    return found[1]


@pytest.fixture(params=["prod", "dev", "local"])
def stage(request: pytest.FixtureRequest) -> Synthesized:
    synthesized: Synthesized = request.getfixturevalue(request.param)
    return synthesized


def test_each_alarm_names_a_section_that_names_it(stage: Synthesized) -> None:
    for name, alarm in alarms(stage).items():
        text = sections()[anchor_of(alarm)]
        (suffix,) = re.findall(r"(Errors|DeadLetters|Behind)$", name) or [""]

        assert f"`{name}`" in text or (suffix and f"`…{suffix}`" in text), f"{name} is not in its section"


def test_each_section_is_about_an_alarm_and_has_a_command(prod: Synthesized) -> None:
    assert set(sections()) == {anchor_of(alarm) for alarm in alarms(prod).values()}
    for anchor, text in sections().items():
        assert "```sh\n" in text, f"{anchor} has no command"


def test_no_section_names_an_alarm_that_is_not_there(prod: Synthesized) -> None:
    for anchor, text in sections().items():
        for name in re.findall(r"`([A-Z]\w+(?:Errors|DeadLetters|Poison|Behind|Missing|Silent|Overdue))`", text):
            assert name in alarms(prod), f"{anchor} names {name}"


def test_each_queue_is_said_to_be_late_when_its_alarm_says_so(prod: Synthesized) -> None:
    said = {}
    for names, after in ROW.findall(sections()["queues-behind"]):
        numbers, unit = re.findall(r"\d+", after), after.split()[-1]
        queues = re.findall(r"`(\w+)`", names)
        # "15 and 30 min" is of the first and the second queue.
        for queue, number in zip(queues, numbers if len(numbers) > 1 else numbers * len(queues), strict=True):
            said[queue] = int(number) * SECONDS[unit]

    assert said == {
        name: alarm["Threshold"]
        for name, alarm in alarms(prod).items()
        if alarm.get("MetricName") == "ApproximateAgeOfOldestMessage"
    }


def test_the_number_of_alarms_and_their_cost_are_as_written(prod: Synthesized, local: Synthesized) -> None:
    (figures,) = re.findall(
        r"with mail has (\d+) alarms, .* about \*\*\$(\d+\.\d\d) a month\*\*, and one without mail (\d+)",
        " ".join(RUNBOOK.split()),
    )
    of_mail = [name for name in alarms(prod) if name not in alarms(local) and name.startswith("Mail")]

    assert figures == (str(len(alarms(prod))), f"{len(alarms(prod)) / 10:.2f}", str(len(alarms(prod)) - len(of_mail)))


def filters() -> Iterator[tuple[Path, str, list[tuple[str, str]]]]:
    """Yields page, function (or "" for the access log), and the fields with their values, of each log filter."""
    for page in PAGES:
        for line in page.read_text().replace("\\\n", " ").splitlines():
            for pattern in FILTER.findall(line):
                conditions = re.split(r" (?:&&|\|\|) ", pattern)
                found = [match.groups(default="") for it in conditions if (match := CONDITION.fullmatch(it))]
                assert len(found) == len(conditions), f"{page.name}: {pattern} has another form than this test reads"
                (function,) = re.findall(r"\blogs (\w+) -", line.replace("aws logs", "")) or [""]
                yield page, function, [(field, value) for field, value in found]


def lines_of(stage: Synthesized, function: str) -> LogLines:
    assert function in stage.functions(), f"{function} is not a function"
    return logged_by(stage.functions()[function]["Handler"])


def test_each_log_filter_finds_lines_that_the_function_writes(prod: Synthesized) -> None:
    found = list(filters())

    assert len(found) > 10
    for page, function, conditions in found:
        for field, value in conditions:
            if not function:
                assert field in ACCESS_LOG, f"{page.name}: the access log has no {field}"
                continue
            lines = lines_of(prod, function)
            known = {"message": lines.messages, "level": LEVELS}.get(field, lines.texts)
            assert field in lines.fields, f"{page.name}: {function} logs no {field}"
            assert not value or value in known, f"{page.name}: {function} logs no {field} {value!r}"


def test_each_quoted_line_of_a_log_is_one_of_that_function(prod: Synthesized) -> None:
    quoted = [(page.name, *found) for page in PAGES for found in QUOTED.findall(page.read_text())]

    assert quoted
    for page, text, function in quoted:
        lines = lines_of(prod, function)
        is_known = text in lines.fields or any(it.startswith(text) for it in lines.messages)
        assert is_known, f"{page}: {function} does not log {text!r}"


def test_each_function_and_output_that_a_command_names_is_there(prod: Synthesized) -> None:
    outputs = set(prod.template["Outputs"])

    for page in PAGES:
        text = page.read_text()
        named = {f"{it}Function" for it in re.findall(r"^logs (\w+)", text, re.MULTILINE)}
        named.update(re.findall(r"\$\(out (\w+)\)", text), re.findall(r"OutputKey=='(\w+)'", text))
        assert named - outputs == set(), page.name


def test_each_alarm_and_metric_that_operators_read_of_is_there(prod: Synthesized) -> None:
    known = words_of_code() | set(alarms(prod)) | set(prod.template["Outputs"]) | NAMES_OF_AWS

    for page in (it for it in PAGES if it.parent.name == "operate"):
        named = re.findall(r"`((?:[A-Z][a-z]+){2,})`", page.read_text())
        assert set(named) - known == set(), page.name


@cache
def words_of_code() -> set[str]:
    """The classes of the code, and the words of its texts: names of metrics, tables, queues and statuses are texts."""
    folders = ("infra", "functions", "layers/shared/python")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    nodes = [node for path in files for node in ast.walk(ast.parse(path.read_text()))]
    texts = [it.value for it in nodes if isinstance(it, ast.Constant) and isinstance(it.value, str)]
    classes = {it.name for it in nodes if isinstance(it, ast.ClassDef)}
    return classes | {word for text in texts for word in re.findall(r"\w+", text)}
