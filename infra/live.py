"""Upgrades without downtime: each caller of a function calls its alias `live`, which moves from version to version.

Lambda updates a function's code and its layers by two calls, and runs old code with new layers between them. A version
has both, and is not called before the alias points to it.
"""

from collections.abc import Mapping

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_codedeploy as codedeploy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.alarms import Alarms
from infra.checks import acknowledge
from infra.retention import retention
from infra.stages import Stage

LIVE = "live"
CANARIES = {
    5: codedeploy.LambdaDeploymentConfig.CANARY_10_PERCENT_5_MINUTES,
    10: codedeploy.LambdaDeploymentConfig.CANARY_10_PERCENT_10_MINUTES,
    15: codedeploy.LambdaDeploymentConfig.CANARY_10_PERCENT_15_MINUTES,
    30: codedeploy.LambdaDeploymentConfig.CANARY_10_PERCENT_30_MINUTES,
}


def version_options(stage: Stage) -> lambda_.VersionOptions:
    """Retains old versions, so that the alias can go back to one."""
    return lambda_.VersionOptions(removal_policy=retention(stage))


def publish(function: lambda_.Function, stage: Stage) -> None:
    """Gives the function its alias, except in the local stage, whose functions are updated in place."""
    if not stage.is_local:
        lambda_.Alias(function, "Live", alias_name=LIVE, version=function.current_version)


def live(function: lambda_.Function) -> lambda_.IFunction:
    """The function's alias, or the function itself if it has none; callers must call this."""
    alias = function.node.try_find_child("Live")
    return alias if isinstance(alias, lambda_.Alias) else function


def live_name(function: lambda_.Function) -> str:
    """The name by which the function is called, with that of its alias."""
    return function.function_name if live(function) is function else f"{function.function_name}:{LIVE}"


class Canary(Construct):
    """A new version first gets a tenth of the requests. An alarm in this time rolls the deployment back."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        minutes: int,
        functions: Mapping[str, lambda_.Function],
        alarms: Alarms,
    ) -> None:
        super().__init__(scope, construct_id)
        application = codedeploy.LambdaApplication(self, "Application")
        role = self._role()
        for name, function in functions.items():
            alias = live(function)
            assert isinstance(alias, lambda_.Alias)
            codedeploy.LambdaDeploymentGroup(
                self,
                name,
                application=application,
                alias=alias,
                role=role,
                deployment_config=CANARIES[minutes],
                alarms=[_alarm(alarms, f"{name}Errors"), _alarm(alarms, "ApiServerErrors")],
            )

    def _role(self) -> iam.Role:
        policy = "service-role/AWSCodeDeployRoleForLambdaLimited"
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("codedeploy.amazonaws.com"),
            managed_policies=[iam.ManagedPolicy.from_aws_managed_policy_name(policy)],
        )
        acknowledge(
            role,
            f"AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/{policy}]",
            "AWS limits this policy to the calls that CodeDeploy makes for Lambda.",
        )
        return role


def _alarm(alarms: Alarms, name: str) -> cloudwatch.Alarm:
    alarm = alarms.node.find_child(name)
    assert isinstance(alarm, cloudwatch.Alarm)
    return alarm
