"""The deployment that the preflight checks: the stage, its settings and its present stack."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# States after a failed first deployment: the CDK CLI deletes such a stack and creates it again.
FAILED_FIRST = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "REVIEW_IN_PROGRESS")

type StageSettings = Mapping[str, Any]


def settings_of(stage: str) -> StageSettings:
    """Returns the settings of a stage, as the CDK app reads them."""
    committed = json.loads(Path("cdk.json").read_text())["context"]["settings"]
    return dict(committed.get(stage, {}))


def has_web_acl(stage: str, settings: StageSettings) -> bool:
    """Returns whether the stage's distribution has a web ACL; the same as `Stage.has_web_acl` of the CDK app."""
    chosen = settings.get("console_web_acl")
    return bool(settings.get("console")) and bool(stage == "prod" if chosen is None else chosen)


@dataclass(frozen=True)
class PlannedDeployment:
    """The stage to deploy, its settings, and the account and region."""

    stage: str
    settings: StageSettings
    region: str
    # The ARN of the caller.
    arn: str
    # CloudFormation's description, or one with AWS's refusal as the status; None before the first deployment.
    stack: Any

    @property
    def is_new(self) -> bool:
        return self.stack is None or self.stack["StackStatus"] in FAILED_FIRST
