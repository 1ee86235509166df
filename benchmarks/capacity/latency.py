"""The durations of calls, drawn from distributions. None was measured on AWS: replace them when the system runs.

Each is log-normal, given by its mean and by `_SIGMA`, with which the 99th percentile is about twice the mean.

- A call to DynamoDB: 4 ms, of AWS's "single-digit milliseconds"
  (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Introduction.html).
- A transaction: 10 ms, in which its items are held. This is an assumption, for two phases of a write each, as AWS's
  paper describes them (Idziorek et al., Distributed Transactions at Scale in Amazon DynamoDB, USENIX ATC 2023). A
  client measured medians of 25 ms for a transaction of five items and 8 ms for PutItem in 2020
  (https://github.com/alexdebrie/dynamodb-performance-testing), so it may be longer. Twice the time halves the limits.
- SES 150 ms, a subscriber 150 ms, SQS 8 ms: the seconds of docs/operate/capacity.md.
- The function's own work: 1.7 ms for each call, the CPU time that docs/operate/performance.md has for one call (1 ms)
  at 1,024 MB, which is 0.58 of a core; and 1.4 ms for each message of a batch (0.8 ms). They have no distribution.
"""

import math
from random import Random

_SIGMA = 0.35

CALL = 0.004
TRANSACTION = 0.010
WAY = 0.0005
QUEUE = 0.008
MAIL = 0.150
SUBSCRIBER = 0.150
OWN_WORK = 0.0017
OWN_WORK_ON_MESSAGE = 0.0014


class Latency:
    """Durations in seconds, from one seed. `spread` is false for calls that all take their mean."""

    def __init__(self, seed: int, *, spread: bool = True) -> None:
        self._random = Random(seed)
        self._sigma = _SIGMA if spread else 0.0

    def of(self, mean: float) -> float:
        return self._random.lognormvariate(math.log(mean) - self._sigma**2 / 2, self._sigma)

    def pause(self, longest: float) -> float:
        """Returns the jitter of a client's retry."""
        return self._random.uniform(0, longest)

    def arrivals(self, rate: float, seconds: float) -> list[float]:
        """Returns the times of random arrivals (Poisson), `rate` a second for that long."""
        times, moment = [], self._random.expovariate(rate)
        while moment < seconds:
            times.append(moment)
            moment += self._random.expovariate(rate)
        return times
