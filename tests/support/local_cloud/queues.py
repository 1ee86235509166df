"""Queues of the local cloud: their messages, and waiting until they are empty."""

from local.system import LocalSystem
from tests.support.local_cloud.shop import wait_until

# Without delayed messages, which are plans for later, such as the next attempt of a delivery.
COUNTED = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")


def resource(system: LocalSystem, construct: str) -> str:
    """Returns the physical id of a resource by the path of its construct, as `EventsFeed`; a queue's is its URL."""
    (found,) = (it for name, it in system.deployment.resources.items() if name[:-8] == construct)
    return found


def wait_until_at_rest(system: LocalSystem, *constructs: str) -> None:
    """Waits until these queues are empty and their functions process none of their messages."""
    sqs, urls = system.client("sqs"), [resource(system, it) for it in constructs]

    def held() -> int:
        answers = [sqs.get_queue_attributes(QueueUrl=it, AttributeNames=list(COUNTED)) for it in urls]
        return sum(int(count) for answer in answers for count in answer["Attributes"].values())

    left = wait_until(held, lambda it: it == 0)
    assert left == 0, f"{left} messages are still in {constructs}"
