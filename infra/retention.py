"""The removal policy of data when its stack is deleted."""

import aws_cdk as cdk

from infra.stages import Stage


def retention(stage: Stage) -> cdk.RemovalPolicy:
    """Returns the policy for all data except tables, which have a separate rule: see `infra.data`.

    On AWS, data is retained when its resource is removed from the stack. It is deleted when the creation of its
    resource is rolled back: resources left by a failed deployment would block the next one. The local stage deletes
    everything.
    """
    return cdk.RemovalPolicy.DESTROY if stage.is_local else cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
