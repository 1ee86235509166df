"""The IAM rights that `make deploy`, `make keys` and `make admin` need, and a check for missing ones."""

from collections.abc import Sequence

from botocore.exceptions import ClientError

from oms.core import aws

type Right = tuple[Sequence[str], str]
"""Actions, and the ARN of the resource for which they are needed."""


class UnknownError(Exception):
    """IAM cannot evaluate the caller's rights. The message says why."""


def needed(*, account: str, region: str, stage: str) -> list[Right]:
    """Returns the rights that docs/operate/deploying.md lists. CloudFormation uses the roles of `make bootstrap`."""

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


def needed_for_console(*, account: str, stage: str) -> list[Right]:
    """Returns the further rights for a stage with a back office."""
    acls = f"arn:aws:wafv2:us-east-1:{account}:global"
    return [
        (["s3:PutObject"], f"arn:aws:s3:::oms-{stage}-consolefiles*/*"),
        (["wafv2:ListWebACLs"], "*"),
        (
            ["wafv2:CreateWebACL", "wafv2:GetWebACL", "wafv2:TagResource", "wafv2:UpdateWebACL"],
            f"{acls}/webacl/oms-{stage}-*",
        ),
        (["wafv2:CreateWebACL", "wafv2:UpdateWebACL"], f"{acls}/managedruleset/*"),
    ]


def denied(caller: str, rights: Sequence[Right]) -> list[tuple[str, str]]:
    """Returns (action, resource) of each of the rights that the caller lacks. Raises UnknownError."""
    iam = aws.session().client("iam")
    try:
        source = _policy_source(caller)
        return [
            (result["EvalActionName"], resource)
            for actions, resource in rights
            for result in iam.simulate_principal_policy(
                PolicySourceArn=source, ActionNames=actions, ResourceArns=[resource]
            )["EvaluationResults"]
            if result["EvalDecision"] != "allowed"
        ]
    except ClientError as error:
        raise UnknownError(error.response["Error"]["Code"]) from error


def _policy_source(caller: str) -> str:
    """Returns the ARN of the user or role whose policies apply. STS names the role of a session without its path."""
    kind, _, rest = caller.split(":", 5)[5].partition("/")
    if kind == "assumed-role":
        return str(aws.session().client("iam").get_role(RoleName=rest.split("/")[0])["Role"]["Arn"])
    if kind == "user":
        return caller
    raise UnknownError(f"{caller} is neither a user nor a role")
