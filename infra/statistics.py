"""What admins see of the system as a whole: sums, counts, and how deep each of its queues is."""

import aws_cdk as cdk
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.alarms import Alarms
from infra.data import Data, grant
from infra.functions import Functions


class Statistics(Construct):
    """Made last: it looks at the queues that are there."""

    def __init__(
        self, scope: Construct, construct_id: str, *, data: Data, functions: Functions, alarms: Alarms
    ) -> None:
        super().__init__(scope, construct_id)
        admin = functions.admin
        stack = cdk.Stack.of(self)
        before = {
            queue.dead_letter_queue.queue.node.path: queue
            for queue in stack.node.find_all()
            if isinstance(queue, sqs.Queue) and queue.dead_letter_queue
        }
        watched = []
        for name, failures in sorted(alarms.failure_queues.items()):
            queue = before.get(failures.node.path)
            watched.append([name, queue.queue_name if queue else "", failures.queue_name])
            for it in (failures, *([queue] if queue else [])):
                it.grant(admin, "sqs:GetQueueAttributes")
        # Names, not URLs: a function's environment is 4 KB at most.
        admin.add_environment("OMS_QUEUES", stack.to_json_string(watched))
        grant(data.reports, admin, "BatchGetItem", "Query")
        grant(data.webhooks, admin, "BatchGetItem")
