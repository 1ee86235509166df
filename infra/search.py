"""Finding: the finder on the orders table's stream, which stores the search terms of orders."""

from constructs import Construct

from infra.alarms import Alarms
from infra.data import Data
from infra.functions import Functions
from infra.streams import Stream, StreamConsumer


class Search(Construct):
    def __init__(
        self, scope: Construct, construct_id: str, *, data: Data, functions: Functions, alarms: Alarms
    ) -> None:
        super().__init__(scope, construct_id)
        StreamConsumer(
            self,
            "Finder",
            # With the publisher, it is the second reader of this stream. AWS throttles a third one.
            streams=[Stream(data.orders)],
            function=functions.finder,
            batch_size=100,
            alarms=alarms,
        )
