"""Publishes the events of an order again: `python -m oms.commands.republish --stage S --order ID`.

They are derived anew from the order's history and handed to the publisher as the changes that they were, so they have
the ids of the first time: who has had one already can tell, and the feed, the webhooks, the mails and the counts do.
"""

import json
from collections.abc import Iterator
from typing import Any

from botocore.config import Config

from oms.commands import stacks
from oms.commands.closed_pipe import run_until_unread
from oms.core import aws, clock
from oms.core.dynamodb import get_item, table_name
from oms.orders.history import versions
from oms.orders.models import Order


class NotRepublishedError(Exception):
    """The message says why."""


def republish(order_id: str, *, function: str) -> int:
    """How many events were published. Raises NotRepublishedError where there is no order, or not all of them were."""
    order = get_item(Order, order_id)
    if order is None:
        raise NotRepublishedError(f"There is no order {order_id}.")
    records = list(changes(order))
    answer = _lambda().invoke(FunctionName=function, Payload=json.dumps({"Records": records}).encode())
    if "FunctionError" in answer:
        raise NotRepublishedError(f"the publisher failed: {answer['Payload'].read(500).decode(errors='replace')}")
    published: int = json.load(answer["Payload"])["published"]
    if published < len(records):
        raise NotRepublishedError(
            f"{published} of {len(records)} events were published, the others set aside: the publisher's log says why"
        )
    return published


def changes(order: Order) -> Iterator[dict[str, Any]]:
    """Each change of an order as the table's stream brought it, but for the image before it."""
    for was in versions(order):
        yield {
            "eventID": f"republished-{order.id}-{was.version}",
            "eventName": "INSERT" if was.version == 1 else "MODIFY",
            "eventSourceARN": f"arn:aws:dynamodb:republished:0:table/{table_name(Order)}/stream/republished",
            "dynamodb": {
                "ApproximateCreationDateTime": clock.instant(was.updated_at).timestamp(),
                "Keys": {"id": {"S": order.id}},
                "NewImage": was.serialize(),
                "SequenceNumber": str(was.version),
            },
        }


def _lambda() -> Any:
    # As long as the publisher may take; another call beside the first would be for nothing.
    return aws.session().client("lambda", config=Config(read_timeout=90, retries={"total_max_attempts": 1}))


def main() -> None:
    parser = stacks.stage_parser(
        "Publishes the events of an order again, with the ids that they had.", stages=stacks.ALL_STAGES
    )
    parser.add_argument("--order", required=True)
    arguments = parser.parse_args()
    stage: str = arguments.stage
    with stacks.acting_on(stage, {Order: "Orders"}):
        function = stacks.outputs_of(stage)["PublisherFunction"]
        try:
            number = republish(arguments.order, function=function)
        except NotRepublishedError as error:
            raise SystemExit(str(error)) from error
    print(f"{number} events of order {arguments.order} are on their way again.")


if __name__ == "__main__":
    run_until_unread(main)
