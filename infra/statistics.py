"""Permissions and settings for the statistics that admins see: sums, counts and queue depths."""

import aws_cdk as cdk
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.alarms import Alarms
from infra.data import Data, grant
from infra.functions import Functions


class Statistics(Construct):
    """The access of the statistics. It must be created after all queues, since it lists them."""

    def __init__(
        self, scope: Construct, construct_id: str, *, data: Data, functions: Functions, alarms: Alarms
    ) -> None:
        super().__init__(scope, construct_id)
        admin = functions.admin
        stack = cdk.Stack.of(self)
        source_queues = {
            queue.dead_letter_queue.queue.node.path: queue
            for queue in stack.node.find_all()
            if isinstance(queue, sqs.Queue) and queue.dead_letter_queue
        }
        queue_names = []
        for name, failures in sorted(alarms.failure_queues.items()):
            queue = source_queues.get(failures.node.path)
            queue_names.append(f"{name},{queue.queue_name if queue else ''},{failures.queue_name}")
            for each in (failures, *([queue] if queue else [])):
                each.grant(admin, "sqs:GetQueueAttributes")
        # Names are shorter than URLs, and this form than JSON: a function's environment has at most 4 KB.
        admin.add_environment("OMS_QUEUES", ";".join(queue_names))
        grant(data.reports, admin, "BatchGetItem", "Query")
        grant(data.webhooks, admin, "BatchGetItem")
