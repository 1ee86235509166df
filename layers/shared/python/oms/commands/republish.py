"""Publishes the events of an order again: `python -m oms.commands.republish --stage S --order ID`.

It derives the stream records from the order's history and passes them to the publisher. The events have the same ids as
the first time, so the feed, webhooks, mails and sums recognize those that they have processed.
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
    """Not all events were published. The message says why."""


def republish(order_id: str, *, function: str) -> int:
    """Publishes the events of an order and returns their number.

    Raises NotRepublishedError if the order does not exist, or if not all events were published.
    """
    order = get_item(Order, order_id)
    if order is None:
        raise NotRepublishedError(f"There is no order {order_id}.")
    records = list(stream_records(order))
    answer = _lambda().invoke(FunctionName=function, Payload=json.dumps({"Records": records}).encode())
    if "FunctionError" in answer:
        raise NotRepublishedError(f"the publisher failed: {answer['Payload'].read(500).decode(errors='replace')}")
    published: int = json.load(answer["Payload"])["published"]
    if published < len(records):
        raise NotRepublishedError(
            f"{published} of {len(records)} events were published, the others are in the poison queue: see the "
            "publisher's log"
        )
    return published


def stream_records(order: Order) -> Iterator[dict[str, Any]]:
    """Yields the stream's record of each change of an order, without the old image."""
    for version in versions(order):
        yield {
            "eventID": f"republished-{order.id}-{version.version}",
            "eventName": "INSERT" if version.version == 1 else "MODIFY",
            "eventSourceARN": f"arn:aws:dynamodb:republished:0:table/{table_name(Order)}/stream/republished",
            "dynamodb": {
                "ApproximateCreationDateTime": clock.instant(version.updated_at).timestamp(),
                "Keys": {"id": {"S": order.id}},
                "NewImage": version.serialize(),
                "SequenceNumber": str(version.version),
            },
        }


def _lambda() -> Any:
    # The publisher's timeout. With retries, events could be published twice.
    return aws.session().client("lambda", config=Config(read_timeout=90, retries={"total_max_attempts": 1}))


def main() -> None:
    parser = stacks.stage_parser("Publishes the events of an order again, with the same ids.", stages=stacks.ALL_STAGES)
    parser.add_argument("--order", required=True)
    arguments = parser.parse_args()
    stage: str = arguments.stage
    with stacks.acting_on(stage, {Order: "Orders"}):
        function = stacks.outputs_of(stage)["PublisherFunction"]
        try:
            number = republish(arguments.order, function=function)
        except NotRepublishedError as error:
            raise SystemExit(str(error)) from error
    print(f"{number} events of order {arguments.order} are published again.")


if __name__ == "__main__":
    run_until_unread(main)
