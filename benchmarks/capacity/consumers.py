"""Lambda's event sources under virtual time: the consumers of queues and of tables' streams.

https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html and
https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

from benchmarks.capacity import latency
from benchmarks.capacity.limits import NEW_TABLE_PARTITIONS
from benchmarks.capacity.simulation import START, Simulation

type Handler = Callable[[dict[str, Any], Any], Any]
type Record = dict[str, Any]

# "Lambda polls shards in your DynamoDB stream for records at a base rate of 4 times per second."
_STREAM_POLL_SECONDS = 0.25
# A pause before a batch of a stream is delivered again.
_RETRY_SECONDS = 1.0


@dataclass(frozen=True)
class Mapping:
    """An event source mapping of the template. `concurrency` is of the queue, or of each shard of the stream."""

    batch: int
    concurrency: int
    window: float = 0.0
    timeout: float = 60.0


class Context:
    """Lambda's context of an invocation."""

    function_name = "capacity"
    memory_limit_in_mb = 1024
    invoked_function_arn = "arn:aws:lambda:eu-central-1:123456789012:function:capacity"
    aws_request_id = "00000000-0000-0000-0000-000000000000"

    def __init__(self, simulation: Simulation, timeout: float) -> None:
        self._time = simulation.time
        self._end = self._time.now + timeout

    def get_remaining_time_in_millis(self) -> int:
        return int(1000 * (self._end - self._time.now))


@dataclass
class QueueConsumer:
    """A queue and its function. A message is noted when it is done, unless `noted` is false.

    `begun` returns when its work began, from the time when it was sent, and its body.
    A failed message stays hidden until after the end of the simulation, as its visibility time-out is minutes.
    """

    simulation: Simulation
    mapping: Mapping
    handler: Handler
    queue: str = "queue"
    noted: bool = True
    begun: Callable[[float, str], float] = lambda sent, _: sent
    _waiting: deque[tuple[float, str]] = field(default_factory=deque)
    _running: int = 0
    _collecting: bool = False

    def send(self, body: str) -> None:
        self._waiting.append((self.simulation.time.now, body))
        self._invoke()

    def _invoke(self) -> None:
        """Starts invocations for the messages that wait, each with a full batch or after the batching window."""
        while self._running < self.mapping.concurrency and self._waiting:
            if len(self._waiting) < self.mapping.batch and self.mapping.window:
                if not self._collecting:
                    self._collecting = True
                    self.simulation.time.at(self.simulation.time.now + self.mapping.window, self._collected)
                return
            self._start()

    def _collected(self) -> None:
        self._collecting = False
        if self._waiting and self._running < self.mapping.concurrency:
            self._start()

    def _start(self) -> None:
        batch = [self._waiting.popleft() for _ in range(min(self.mapping.batch, len(self._waiting)))]
        self._running += 1
        self.simulation.time.spawn(lambda: self._run(batch))

    def _run(self, batch: list[tuple[float, str]]) -> None:
        time = self.simulation.time
        # Between two invocations of a poller, it deletes the messages and receives the next ones.
        time.sleep(2 * self.simulation.load.durations.of(latency.QUEUE) + len(batch) * latency.OWN_WORK_ON_MESSAGE)
        records = [
            {
                "messageId": str(number),
                "body": body,
                "eventSource": "aws:sqs",
                "eventSourceARN": f"arn:aws:sqs:eu-central-1:123456789012:{self.queue}",
                "attributes": {
                    "ApproximateReceiveCount": "1",
                    "SentTimestamp": str(int(1000 * (START.timestamp() + sent))),
                },
            }
            for number, (sent, body) in enumerate(batch)
        ]
        try:
            answer = self.handler({"Records": records}, Context(self.simulation, self.mapping.timeout))
            failed = {int(it["itemIdentifier"]) for it in answer["batchItemFailures"]}
        except Exception:
            failed = set(range(len(batch)))
        for number, message in enumerate(batch):
            if self.noted:
                self.simulation.note(self.begun(*message), ok=number not in failed)
        self._running -= 1
        self._invoke()


@dataclass
class StreamConsumer:
    """A table's stream and its function. The records of one key keep their order; batches run beside each other."""

    simulation: Simulation
    mapping: Mapping
    handler: Handler
    shards: int = NEW_TABLE_PARTITIONS
    _lanes: dict[int, deque[tuple[float, Record]]] = field(default_factory=dict)
    _running: set[int] = field(default_factory=set)

    def send(self, record: Record) -> None:
        """Delivers a record, by the hash of its partition key."""
        key = str(record["dynamodb"]["Keys"]["pk"]["S"])
        lane = crc32(key.encode()) % (self.shards * self.mapping.concurrency)
        self._lanes.setdefault(lane, deque()).append((self.simulation.time.now, record))
        if lane not in self._running:
            self._running.add(lane)
            self.simulation.time.spawn(lambda: self._run(lane))

    def _run(self, lane: int) -> None:
        time, waiting = self.simulation.time, self._lanes[lane]
        time.sleep(self.simulation.load.durations.pause(_STREAM_POLL_SECONDS))
        while waiting:
            time.sleep(self.mapping.window)
            batch = [waiting.popleft() for _ in range(min(self.mapping.batch, len(waiting)))]
            time.sleep(len(batch) * latency.OWN_WORK_ON_MESSAGE)
            self._process(batch)
            for sent, _ in batch:
                self.simulation.note(sent, ok=True)
        self._running.discard(lane)

    def _process(self, batch: list[tuple[float, Record]]) -> None:
        """Delivers the batch until it succeeds; the function's attempts are safe to repeat."""
        event = {"Records": [record for _, record in batch]}
        while True:
            try:
                self.handler(event, Context(self.simulation, self.mapping.timeout))
            except Exception:
                self.simulation.load.counts["failed batches"] += 1
                self.simulation.time.sleep(_RETRY_SECONDS)
            else:
                return
