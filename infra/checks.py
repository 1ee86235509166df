"""cdk-nag's findings, and how one is acknowledged: beside the construct it is about, with its reason."""

import aws_cdk as cdk
import cdk_nag
from constructs import IConstruct


def check(app: cdk.App) -> None:
    """Every finding that is not acknowledged fails the synth."""
    cdk.Validations.of(app).add_plugins(cdk_nag.AwsSolutionsChecks(verbose=True))


def acknowledge(construct: IConstruct, rule: str, reason: str) -> None:
    cdk.Validations.of(construct).acknowledge(cdk.Acknowledgment(id=f"AwsSolutions::{rule}", reason=reason))
