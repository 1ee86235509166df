"""A table with more items than moto can serve, answering what lists ask of it as DynamoDB would."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from functools import cached_property
from operator import itemgetter
from typing import Any

from tests.faults.injector import Call
from tests.faults.shop import table

type RawItem = Mapping[str, Any]


class BigTable:
    """`plan` answers Querys on the indexes of a table, and BatchGetItem, from memory.

    Keys and projections are those of the mocked table of that name. `most` is where a Query ends at the latest, as it
    does at 1 MB.
    """

    def __init__(self, name: str, items: Iterable[RawItem], *, most: int = 1000) -> None:
        self._name = name
        self._most = most
        self._raw = list(items)
        self._sorted: dict[tuple[str, str], list[tuple[str, RawItem]]] = {}

    @cached_property
    def _keys(self) -> list[str]:
        return [key["AttributeName"] for key in table(self._name).schema]

    @cached_property
    def _by_key(self) -> dict[tuple[str, ...], RawItem]:
        return {self._key(raw): raw for raw in self._raw}

    def _key(self, raw: RawItem) -> tuple[str, ...]:
        return tuple(raw[name]["S"] for name in self._keys)

    def plan(self, call: Call) -> Any:
        if call.operation == "Query" and call.parameters["TableName"] == self._name:
            return self._query(call.parameters)
        if call.operation == "BatchGetItem" and self._name in call.parameters["RequestItems"]:
            return self._batch_get(call.parameters["RequestItems"])
        return call.send()

    def _query(self, asked: Mapping[str, Any]) -> Any:
        assert asked["KeyConditionExpression"] == "#partition = :partition AND #sort BETWEEN :low AND :high"
        index = table(self._name).get_index(asked["IndexName"])
        partition_key, sort_key = (key["AttributeName"] for key in index.schema)
        assert list(asked["ExpressionAttributeNames"].values()) == [partition_key, sort_key]
        values = {name: value["S"] for name, value in asked["ExpressionAttributeValues"].items()}
        entries = self._partition(partition_key, values[":partition"], sort_key)
        start = bisect_left(entries, values[":low"], key=itemgetter(0))
        end = bisect_right(entries, values[":high"], key=itemgetter(0))
        most = min(asked["Limit"], self._most)
        found = entries[start : min(end, start + most)]
        if not asked["ScanIndexForward"]:
            found = entries[max(start, end - most) : end][::-1]
        projected = {partition_key, sort_key, *self._keys, *index.projection.get("NonKeyAttributes", [])}
        items = [{name: value for name, value in raw.items() if name in projected} for _, raw in found]
        # DynamoDB names a last key wherever it stopped at the limit, even if nothing follows.
        return {"Items": items} | ({"LastEvaluatedKey": items[-1]} if len(items) == most else {})

    def _partition(self, partition_key: str, partition: str, sort_key: str) -> list[tuple[str, RawItem]]:
        """The sort keys and items of one partition of an index, in order."""
        entries = self._sorted.get((partition, sort_key))
        if entries is None:
            held = [raw for raw in self._raw if raw.get(partition_key, {}).get("S") == partition]
            entries = sorted(((raw[sort_key]["S"], raw) for raw in held), key=itemgetter(0))
            self._sorted[partition, sort_key] = entries
        return entries

    def _batch_get(self, asked: Mapping[str, Any]) -> Any:
        ((name, request),) = asked.items()
        assert len(request["Keys"]) <= 100
        found = [self._by_key[self._key(key)] for key in request["Keys"] if self._key(key) in self._by_key]
        return {"Responses": {name: found}, "UnprocessedKeys": {}}
