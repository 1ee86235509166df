"""What becomes of data when its stack is deleted."""

import aws_cdk as cdk

from infra.stages import Stage


def retention(stage: Stage) -> cdk.RemovalPolicy:
    """On AWS, data is kept when it leaves the stack, but not when its own creation is rolled back: what a deployment
    that failed left behind would be in the way of the next one. The local stage keeps nothing.

    Tables have a rule of their own: see `infra.data`.
    """
    return cdk.RemovalPolicy.DESTROY if stage.is_local else cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
