"""The functions' log format, log level and retention."""

import logging
from typing import get_args

import pytest

from infra.functions import LOG_LEVELS
from infra.stages import Stage
from tests.support.template import HTTP, Synthesized


@pytest.mark.parametrize(("stage", "level"), [("prod", "INFO"), ("dev", "WARNING"), ("local", "INFO")])
def test_lambda_and_the_logger_hold_to_the_stages_log_level(
    stage: str, level: str, request: pytest.FixtureRequest
) -> None:
    """Of a function with JSON logs, Lambda sets AWS_LAMBDA_LOG_LEVEL. It precedes Powertools' own variable, and is INFO
    by default.
    """
    synthesized: Synthesized = request.getfixturevalue(stage)
    for function in synthesized.functions().values():
        variables = function["Environment"]["Variables"]
        lambda_level = function["LoggingConfig"]["ApplicationLogLevel"]
        assert logging.getLevelName(lambda_level) == logging.getLevelName(level)
        assert variables["POWERTOOLS_LOG_LEVEL"] == level
        assert "AWS_LAMBDA_LOG_LEVEL" not in variables
        # Lambda's own lines about the start and the end of each run have the level INFO.
        assert function["LoggingConfig"]["SystemLogLevel"] == "WARN"


def test_each_log_level_of_a_stage_is_one_of_lambda() -> None:
    levels = get_args(Stage.model_fields["log_level"].annotation)

    assert {it: logging.getLevelName(LOG_LEVELS[it].value) for it in levels} == {
        it: logging.getLevelName(it) for it in levels
    }


def test_f28_every_log_group_ends_its_lines(prod: Synthesized) -> None:
    groups = prod.all("AWS::Logs::LogGroup")

    # One of all functions with routes, one for each other function, and the access log.
    assert len(groups) == 1 + len(prod.functions().keys() - HTTP) + 1
    assert all(group["RetentionInDays"] == 30 for group in groups.values())
