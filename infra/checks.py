"""Checks by cdk-nag, and their acknowledgements: each with its reason, beside the construct that it is about."""

import aws_cdk as cdk
import cdk_nag
from constructs import IConstruct


def check(app: cdk.App) -> None:
    """Adds the checks. A finding that is not acknowledged fails the synthesis."""
    cdk.Validations.of(app).add_plugins(cdk_nag.AwsSolutionsChecks(verbose=True))


def acknowledge(construct: IConstruct, rule: str, reason: str) -> None:
    cdk.Validations.of(construct).acknowledge(cdk.Acknowledgment(id=f"AwsSolutions::{rule}", reason=reason))
