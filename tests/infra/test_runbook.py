"""docs/operate/operations.md has a section for each alarm, with true figures, and no other."""

import re

import pytest

from tests.support.alarms import alarms
from tests.support.metrics import ROOT
from tests.support.template import Synthesized

RUNBOOK = (ROOT / "docs/operate/operations.md").read_text()
SEE = re.compile(r"[.?] See docs/operate/operations\.md#([a-z-]+)$")
ROW = re.compile(r"^\| ((?:`\w+Behind`(?:, )?)+) \| ([^|]+) \|", re.MULTILINE)
SECONDS = {"min": 60, "h": 3600}


def sections() -> dict[str, str]:
    """anchor → text, of what is below the heading "Alarms" """
    _, _, below = RUNBOOK.partition("\n## Alarms\n")
    parts = re.split(r"^### (.+)$", below, flags=re.MULTILINE)[1:]
    # As GitHub makes an anchor of a heading.
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
        assert "```sh\n" in text, f"{anchor} says no command"


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


def test_the_number_of_alarms_and_what_they_cost_are_as_written(prod: Synthesized, local: Synthesized) -> None:
    (figures,) = re.findall(
        r"with mail has (\d+) alarms, .* about \*\*\$(\d+\.\d\d) a month\*\*, and one without mail (\d+)",
        " ".join(RUNBOOK.split()),
    )
    of_mail = [name for name in alarms(prod) if name not in alarms(local) and name.startswith("Mail")]

    assert figures == (str(len(alarms(prod))), f"{len(alarms(prod)) / 10:.2f}", str(len(alarms(prod)) - len(of_mail)))
