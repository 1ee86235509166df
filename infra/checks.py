"""Checks by cdk-nag. Acknowledgements, with their reasons, are beside the constructs."""

import aws_cdk as cdk
import cdk_nag
from constructs import IConstruct


def check(app: cdk.App) -> None:
    """Adds the checks to the app. A finding that is not acknowledged fails the synthesis."""
    cdk.Validations.of(app).add_plugins(cdk_nag.AwsSolutionsChecks(verbose=True))


def acknowledge(construct: IConstruct, rule: str, reason: str) -> None:
    cdk.Validations.of(construct).acknowledge(cdk.Acknowledgment(id=f"AwsSolutions::{rule}", reason=reason))
