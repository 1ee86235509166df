"""Reads: GetItem, BatchGetItem, Query and Scan."""

from collections.abc import Iterator, Mapping
from typing import Any

from tests.support.dynamodb import limits
from tests.support.dynamodb.capacity import Consumption, read_units
from tests.support.dynamodb.errors import invalid, invalid_parameter
from tests.support.dynamodb.expressions import Expressions
from tests.support.dynamodb.keys import Range
from tests.support.dynamodb.tables import Entry, Index, Row, Table
from tests.support.dynamodb.values import Item, copied
from tests.support.dynamodb.writes import check_known

_NAMES = frozenset({"ExpressionAttributeNames", "ProjectionExpression", "ConsistentRead"})
_GET = _NAMES | {"TableName", "Key", "ReturnConsumedCapacity"}
_PAGE = _NAMES | {
    "TableName",
    "IndexName",
    "Limit",
    "ExclusiveStartKey",
    "FilterExpression",
    "ExpressionAttributeValues",
    "Select",
    "ReturnConsumedCapacity",
}
_QUERY = _PAGE | {"KeyConditionExpression", "ScanIndexForward"}
_SCAN = _PAGE | {"Segment", "TotalSegments"}


def get_item(table: Table, request: Mapping[str, Any]) -> dict[str, Any]:
    check_known(request, _GET)
    consumption = Consumption(request)
    projection = Expressions(request, ("ProjectionExpression",)).projection
    row = table.rows.get(table.schema.of_key(request["Key"]))
    consumption.read(table, read_units(row.size if row else 0, _factor(request)))
    # The answer has an item even if it has none of the requested attributes.
    found = {"Item": copied(projection.of(row.item) if projection else row.item)} if row else {}
    return consumption.add_to(found, single=True)


def batch_get(find: Any, request: Mapping[str, Any]) -> dict[str, Any]:
    """Returns up to 100 items and 16 MB; the keys beyond that are unprocessed."""
    check_known(request, frozenset({"RequestItems", "ReturnConsumedCapacity"}))
    consumption = Consumption(request)
    asked = request["RequestItems"]
    number = sum(len(it["Keys"]) for it in asked.values())
    if not number or not all(it["Keys"] for it in asked.values()):
        raise invalid("1 validation error detected: Member must have length greater than or equal to 1")
    if number > limits.BATCH_GET_KEYS:
        raise invalid("Too many items requested for the BatchGetItem call")
    responses: dict[str, list[Item]] = {}
    unprocessed: dict[str, Any] = {}
    size = 0
    for name, one in asked.items():
        check_known(one, _NAMES | {"Keys"})
        table = find(name)
        keys = [table.schema.of_key(raw) for raw in one["Keys"]]
        if len({*keys}) < len(keys):
            raise invalid("Provided list of item keys contains duplicates")
        projection = Expressions(one, ("ProjectionExpression",)).projection
        responses[name] = []
        for raw, key in zip(one["Keys"], keys, strict=True):
            row = table.rows.get(key)
            if row and size + row.size > limits.BATCH_GET:
                rest = unprocessed.setdefault(name, {**one, "Keys": []})
                rest["Keys"].append(raw)
                continue
            consumption.read(table, read_units(row.size if row else 0, _factor(one)))
            if row:
                size += row.size
                responses[name].append(projection.of(row.item) if projection else row.item)
    answer = {"Responses": copied(responses), "UnprocessedKeys": unprocessed}
    return consumption.add_to(answer, single=False)


def query(table: Table, request: Mapping[str, Any]) -> dict[str, Any]:
    check_known(request, _QUERY)
    page = _Page(table, request)
    if page.expressions.key_condition is None:
        raise invalid("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
    wanted = page.expressions.key_condition.range(page.source.schema, page.expressions.values)
    if page.expressions.filter:
        for name in page.source.schema.names:
            if name in page.expressions.filter.attributes:
                raise invalid(
                    f"Filter Expression can only contain non-primary key attributes: Primary key attribute: {name}"
                )
    after = page.start()
    if after is not None and (after[0] != wanted.partition or not _within(after[1], wanted)):
        raise invalid("The provided starting key is outside query boundaries based on provided conditions")
    forward = request.get("ScanIndexForward", True)
    return page.of(page.source.between(wanted, forward=forward, after=after[1] if after else None))


def scan(table: Table, request: Mapping[str, Any]) -> dict[str, Any]:
    check_known(request, _SCAN)
    segment, segments = request.get("Segment", 0), request.get("TotalSegments", 1)
    if ("Segment" in request) != ("TotalSegments" in request) or not 0 <= segment < segments:
        raise invalid("The Segment parameter is zero-based and must be less than parameter TotalSegments")
    page = _Page(table, request)
    return page.of(page.source.scan(page.start(), segment, segments))


def _factor(request: Mapping[str, Any]) -> float:
    return 1 if request.get("ConsistentRead") else 0.5


def _within(entry: Entry, wanted: Range) -> bool:
    order, low, high = entry[0], wanted.low, wanted.high
    match wanted.operator:
        case "=":
            return bool(order == low)
        case "<" | "<=":
            return bool(order <= low)
        case ">" | ">=":
            return bool(order >= low)
        case "BETWEEN":
            return bool(low <= order <= high)
        case "begins_with":
            return bool(order.startswith(low))
    return True


class _Page:
    """One page of a Query or a Scan, of a table or of an index."""

    def __init__(self, table: Table, request: Mapping[str, Any]) -> None:
        self._table = table
        self._request = request
        self.index: Index | None = table.index(request["IndexName"]) if "IndexName" in request else None
        self.source = self.index or table
        self.expressions = Expressions(request, ("KeyConditionExpression", "FilterExpression", "ProjectionExpression"))
        self._consumption = Consumption(request)
        self._limit = request.get("Limit")
        if self._limit is not None and self._limit < 1:
            raise invalid(
                f"1 validation error detected: Value '{self._limit}' at 'limit' failed to satisfy constraint: "
                "Member must have value greater than or equal to 1"
            )
        if self.index and request.get("ConsistentRead"):
            raise invalid("Consistent reads are not supported on global secondary indexes")
        self._check_select()

    def _check_select(self) -> None:
        select = self._request.get("Select")
        projection = self.expressions.projection
        if projection and select not in (None, "SPECIFIC_ATTRIBUTES"):
            raise invalid(f"Cannot specify the ProjectionExpression when choosing to get {select}")
        if select == "SPECIFIC_ATTRIBUTES" and not projection:
            raise invalid("Must specify the AttributesToGet or ProjectionExpression when choosing SPECIFIC_ATTRIBUTES")
        if select == "ALL_PROJECTED_ATTRIBUTES" and not self.index:
            raise invalid("ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName")
        if not self.index or self.index.projects_all:
            return
        if select == "ALL_ATTRIBUTES":
            raise invalid_parameter(
                f"Select type ALL_ATTRIBUTES is not supported for global secondary index {self.index.name} "
                "because its projection type is not ALL"
            )
        if projection and (missing := projection.attributes - self.index.attributes):
            raise invalid_parameter(
                f"Global secondary index {self.index.name} does not project [{', '.join(sorted(missing))}]"
            )

    def start(self) -> tuple[Any, Entry] | None:
        """Returns the partition and the entry that ExclusiveStartKey names."""
        raw = self._request.get("ExclusiveStartKey")
        if raw is None:
            return None
        names = {*self._table.schema.names, *self.source.schema.names}
        if raw.keys() != names:
            raise invalid("The provided starting key is invalid")
        key = self._table.schema.of_key({name: raw[name] for name in self._table.schema.names})
        place = self.source.schema.of_key({name: raw[name] for name in self.source.schema.names})
        return place[0], (place[1] if len(place) > 1 else 0, key)

    def of(self, entries: Iterator[Entry]) -> dict[str, Any]:
        """Ends at Limit or at 1 MB, counted before the filter; it has a last key then, even if nothing follows."""
        values = self.expressions.values
        passes, projection = self.expressions.filter, self.expressions.projection
        items: list[Item] = []
        size = scanned = 0
        last: Row | None = None
        more = False
        for _, key in entries:
            row = self._table.rows[key]
            seen = self.index.project(row) if self.index else row
            if scanned and size + seen.size > limits.PAGE:
                more = True
                break
            size += seen.size
            scanned += 1
            last = row
            if passes is None or passes.holds(seen.item, values):
                items.append(projection.of(seen.item) if projection else seen.item)
            if scanned == self._limit:
                more = True
                break
        return self._answer(items, scanned, size, last if more else None)

    def _answer(self, items: list[Item], scanned: int, size: int, last: Row | None) -> dict[str, Any]:
        answer: dict[str, Any] = {"Count": len(items), "ScannedCount": scanned}
        if self._request.get("Select") != "COUNT":
            answer["Items"] = copied(items)
        if last:
            names = {*self._table.schema.names, *self.source.schema.names}
            answer["LastEvaluatedKey"] = copied({name: last.item[name] for name in names})
        units = read_units(size, _factor(self._request))
        self._consumption.read(self._table, units, self.index.name if self.index else None)
        return self._consumption.add_to(answer, single=True)
