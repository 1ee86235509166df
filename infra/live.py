"""Upgrades without downtime: callers of a function call its alias `live`, which moves from version to version.

CloudFormation updates a function's code and its layers by two calls, and between them old code runs with new layers. A
version has both, and is not called before the alias points to it.
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
    """Returns options that retain old versions, so that the alias can go back to one."""
    return lambda_.VersionOptions(removal_policy=retention(stage))


def publish(function: lambda_.Function, stage: Stage) -> None:
    """Gives the function its alias, except in the local stage, whose functions are updated in place."""
    if not stage.is_local:
        lambda_.Alias(function, "Live", alias_name=LIVE, version=function.current_version)


def live(function: lambda_.Function) -> lambda_.IFunction:
    """Returns the function's alias, or the function if it has none. Callers must invoke the result."""
    alias = function.node.try_find_child("Live")
    return alias if isinstance(alias, lambda_.Alias) else function


def move_after(function: lambda_.Function, other: lambda_.Function) -> None:
    """Lets the function's alias move to a new version only after the other one's has, with its canary deployment."""
    if isinstance(live(function), lambda_.Alias):
        live(function).node.add_dependency(live(other))


def live_name(function: lambda_.Function) -> str:
    """Returns the name by which the function is called, with the alias."""
    return function.function_name if live(function) is function else f"{function.function_name}:{LIVE}"


class Canary(Construct):
    """Canary deployments: a new version first gets a tenth of the requests, and an alarm in this time rolls it back."""

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
