"""A table with more items than moto can serve, which answers the calls of lists as DynamoDB does."""

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from functools import cached_property
from operator import itemgetter
from threading import Lock
from typing import Any

from tests.support.aws_calls import Call
from tests.support.database import table

type RawItem = Mapping[str, Any]
type Entries = list[tuple[str, RawItem]]
"""Sort keys and items of one partition of an index, in order."""

_place = itemgetter(0)


class BigTable:
    """`plan` answers Query on the indexes of a table, and BatchGetItem, from memory.

    Keys and projections are those of the mocked table of that name. A Query returns at most `most` items, as it ends at
    1 MB on AWS. The indexes show a write `lag` calls later, while BatchGetItem shows it at once.
    """

    def __init__(self, name: str, items: Iterable[RawItem], *, most: int = 1000, lag: int = 0) -> None:
        self._name = name
        self._most = most
        self._lag = lag
        self._raw = list(items)
        # By partition key and sort key of an index, then by partition.
        self._indexes: dict[tuple[str, str], defaultdict[str, Entries]] = {}
        self._calls = 0
        self._one_at_a_time = Lock()
        self._unindexed: deque[tuple[int, RawItem, RawItem]] = deque()

    @cached_property
    def _keys(self) -> list[str]:
        return table(self._name).schema.names

    @cached_property
    def _by_key(self) -> dict[tuple[str, ...], RawItem]:
        return {self._key(raw): raw for raw in self._raw}

    def _key(self, raw: RawItem) -> tuple[str, ...]:
        return tuple(raw[name]["S"] for name in self._keys)

    def get(self, *key: str) -> RawItem:
        return self._by_key[key]

    def put(self, item: RawItem) -> None:
        old = self._by_key.get(self._key(item), {})
        self._by_key[self._key(item)] = item
        self._unindexed.append((self._calls + self._lag, old, item))
        self._index_what_is_due()

    def plan(self, call: Call) -> Any:
        # Threads query partitions, and the first query of an index builds it.
        with self._one_at_a_time:
            self._calls += 1
            self._index_what_is_due()
            if call.operation == "Query" and call.parameters["TableName"] == self._name:
                return self._query(call.parameters)
            if call.operation == "BatchGetItem" and self._name in call.parameters["RequestItems"]:
                return self._batch_get(call.parameters["RequestItems"])
        return call.send()

    def _index_what_is_due(self) -> None:
        while self._unindexed and self._unindexed[0][0] <= self._calls:
            _, old, new = self._unindexed.popleft()
            for (partition_key, sort_key), partitions in self._indexes.items():
                if partition_key in old:
                    entries = partitions[old[partition_key]["S"]]
                    del entries[bisect_left(entries, old[sort_key]["S"], key=_place)]
                if partition_key in new:
                    insort(partitions[new[partition_key]["S"]], (new[sort_key]["S"], new), key=_place)

    def _query(self, asked: Mapping[str, Any]) -> Any:
        assert asked["KeyConditionExpression"] == "#partition = :partition AND #sort BETWEEN :low AND :high"
        index = table(self._name).index(asked["IndexName"])
        partition_key, sort_key = index.schema.names
        assert list(asked["ExpressionAttributeNames"].values()) == [partition_key, sort_key]
        values = {name: value["S"] for name, value in asked["ExpressionAttributeValues"].items()}
        entries = self._index(partition_key, sort_key)[values[":partition"]]
        start = bisect_left(entries, values[":low"], key=_place)
        end = bisect_right(entries, values[":high"], key=_place)
        most = min(asked["Limit"], self._most)
        found = entries[start : min(end, start + most)]
        if not asked["ScanIndexForward"]:
            found = entries[max(start, end - most) : end][::-1]
        items = [{name: raw[name] for name in index.attributes if name in raw} for _, raw in found]
        # DynamoDB returns a last key when it stops at the limit, even if nothing follows.
        return {"Items": items} | ({"LastEvaluatedKey": items[-1]} if len(items) == most else {})

    def _index(self, partition_key: str, sort_key: str) -> defaultdict[str, Entries]:
        partitions = self._indexes.get((partition_key, sort_key))
        if partitions is None:
            partitions = self._indexes[partition_key, sort_key] = defaultdict(list)
            for raw in self._by_key.values():
                if partition_key in raw:
                    partitions[raw[partition_key]["S"]].append((raw[sort_key]["S"], raw))
            for entries in partitions.values():
                entries.sort(key=_place)
        return partitions

    def _batch_get(self, asked: Mapping[str, Any]) -> Any:
        ((name, request),) = asked.items()
        assert len(request["Keys"]) <= 100
        found = [self._by_key[self._key(key)] for key in request["Keys"] if self._key(key) in self._by_key]
        return {"Responses": {name: found}, "UnprocessedKeys": {}}
