"""The IAM rights that `make deploy`, `make keys` and `make admin` need, and a check of which are missing."""

from collections.abc import Sequence

from botocore.exceptions import ClientError

from oms.commands.stacks import account_of
from oms.core import aws

type Right = tuple[Sequence[str], str]
"""Actions, and the ARN of the resource on which they are needed."""


class UnknownError(Exception):
    """IAM cannot evaluate the caller's rights; the message says why."""


def needed(*, account: str, region: str, stage: str) -> list[Right]:
    """The rights that docs/operate/deploying.md lists. CloudFormation itself uses the roles of `make bootstrap`."""

    def arn(service: str, resource: str) -> str:
        return f"arn:aws:{service}:{region}:{account}:{resource}"

    bootstrapped = f"arn:aws:iam::{account}:role/cdk-hnb659fds"
    return [
        (["sts:AssumeRole"], f"{bootstrapped}-deploy-role-{account}-{region}"),
        (["sts:AssumeRole"], f"{bootstrapped}-file-publishing-role-{account}-{region}"),
        (
            [
                "cloudformation:DescribeStacks",
                "cloudformation:ListStackResources",
                "cloudformation:UpdateTerminationProtection",
            ],
            arn("cloudformation", f"stack/Oms-{stage}/*"),
        ),
        (
            ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"],
            arn("secretsmanager", f"secret:oms/{stage}/signing-keys-*"),
        ),
        (
            ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"],
            arn("secretsmanager", f"secret:oms/{stage}/address-keys-*"),
        ),
        (["ssm:GetParameter", "ssm:PutParameter"], arn("ssm", f"parameter/oms/{stage}/jwks")),
        (
            ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"],
            arn("dynamodb", f"table/Oms-{stage}-Data*"),
        ),
    ]


def denied(caller: str, *, region: str, stage: str) -> list[tuple[str, str]]:
    """(action, resource) of each right that the caller lacks. Raises UnknownError."""
    iam = aws.session().client("iam")
    try:
        source = _policy_source(caller)
        return [
            (result["EvalActionName"], resource)
            for actions, resource in needed(account=account_of(caller), region=region, stage=stage)
            for result in iam.simulate_principal_policy(
                PolicySourceArn=source, ActionNames=actions, ResourceArns=[resource]
            )["EvaluationResults"]
            if result["EvalDecision"] != "allowed"
        ]
    except ClientError as error:
        raise UnknownError(error.response["Error"]["Code"]) from error


def _policy_source(caller: str) -> str:
    """The ARN of the user or role whose policies apply. STS names the role of a session without its path."""
    kind, _, rest = caller.split(":", 5)[5].partition("/")
    if kind == "assumed-role":
        return str(aws.session().client("iam").get_role(RoleName=rest.split("/")[0])["Role"]["Arn"])
    if kind == "user":
        return caller
    raise UnknownError(f"{caller} is neither a user nor a role")
