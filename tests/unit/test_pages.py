import base64
from bisect import insort
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pynamodb.attributes import UnicodeAttribute

from oms.core import pages
from oms.core.dynamodb import StoredItem
from oms.core.errors import InvalidRequestError
from oms.core.pages import (
    HIGHEST,
    LOWEST,
    Index,
    IndexEntry,
    KeyRange,
    Page,
    decode_cursor,
    encode_cursor,
    merged_page,
    merged_table_page,
    table_page,
)

INDEX = Index("table", "index", "partition", "key")
IDS = st.text(alphabet="0AZ~!", min_size=1, max_size=3)
# Text with an unexpected order, with an id at its end as in every key.
KEYS = st.builds("{}#{}".format, st.text(alphabet="\x00 #aé\uffff\U0001f600", max_size=3), IDS)


class FakeIndex:
    """Answers Query as DynamoDB does: bounds by bytes, a limit, and sometimes an early end as after a megabyte."""

    def __init__(self, partitions: dict[str, list[str]], most: int) -> None:
        self.partitions = {name: sorted(keys, key=str.encode) for name, keys in partitions.items()}
        self.most = most
        self.calls = 0

    def query(self, **request: Any) -> dict[str, Any]:
        self.calls += 1
        assert ("IndexName" in request) != request.get("ConsistentRead", False), "an index has no consistent reads"
        values = {name: value["S"] for name, value in request["ExpressionAttributeValues"].items()}
        low, high = values[":low"].encode(), values[":high"].encode()
        assert low <= high, "DynamoDB refuses a range whose bounds are the wrong way round"
        keys = [key for key in self.partitions[values[":partition"]] if low <= key.encode() <= high]
        if not request["ScanIndexForward"]:
            keys.reverse()
        read = keys[: min(request["Limit"], self.most)]
        answer: dict[str, Any] = {"Items": [{"key": {"S": key}} for key in read]}
        # Returned also if the last item is at the limit, as DynamoDB does.
        if len(read) == min(request["Limit"], self.most):
            answer["LastEvaluatedKey"] = {"key": {"S": read[-1]}}
        return answer


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Callable[..., FakeIndex]:
    def install(partitions: dict[str, list[str]], most: int = 1000) -> FakeIndex:
        fake = FakeIndex(partitions, most)
        monkeypatch.setattr(pages, "client", lambda: fake)
        return fake

    return install


def walk(partitions: Sequence[str], part: KeyRange, **options: Any) -> list[Page[IndexEntry]]:
    walked = [merged_page(INDEX, partitions, part, **options)]
    while walked[-1].position is not None:
        after = walked[-1].position
        walked.append(
            merged_page(INDEX, partitions, KeyRange(part.limit, part.descending, part.low, part.high, after), **options)
        )
        assert walked[-1].position != after, "a page leads back to itself"
    return walked


def keys(page: Page[IndexEntry]) -> list[str]:
    return [entry["key"] for entry in page.items]


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(KEYS, unique=True, max_size=30),
    st.lists(st.integers(0, 3), min_size=30, max_size=30),
    st.integers(1, 4),
    st.integers(1, 7),
    st.booleans(),
    st.tuples(KEYS | st.just(LOWEST), KEYS | st.just(HIGHEST)),
    st.integers(1, 9),
    st.none() | st.sampled_from("0AZ#é"),
)
def test_all_pages_together_are_the_list_in_order(
    index: Callable[..., FakeIndex],
    everything: list[str],
    places: list[int],
    count: int,
    limit: int,
    descending: bool,
    bounds: tuple[str, str],
    most: int,
    wanted: str | None,
) -> None:
    partitions: dict[str, list[str]] = {str(number): [] for number in range(count)}
    for key, place in zip(everything, places, strict=False):
        insort(partitions[str(place % count)], key)
    index(partitions, most)
    low, high = bounds
    keep = None if wanted is None else lambda entry: wanted in entry["key"]

    walked = walk(list(partitions), KeyRange(limit, descending, low, high), keep=keep)

    listed = sorted((key for key in everything if low <= key <= high), reverse=descending)
    assert [key for page in walked for key in keys(page)] == [key for key in listed if wanted is None or wanted in key]
    assert all(len(page.items) <= limit for page in walked)


class Row(StoredItem):
    class Meta:
        table_name = "table"

    partition = UnicodeAttribute(hash_key=True)
    key = UnicodeAttribute(range_key=True)


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(KEYS, unique=True, max_size=30),
    st.integers(1, 7),
    st.booleans(),
    st.tuples(KEYS | st.just(LOWEST), KEYS | st.just(HIGHEST)),
    st.integers(1, 9),
)
def test_all_pages_of_a_tables_own_partition_are_its_items_in_order(
    index: Callable[..., FakeIndex],
    everything: list[str],
    limit: int,
    descending: bool,
    bounds: tuple[str, str],
    most: int,
) -> None:
    index({"a": everything, "b": ["k#other"]}, most)
    low, high = bounds

    found: list[str] = []
    after: str | None = None
    for _ in range(100):
        page = table_page(Row, "a", KeyRange(limit, descending, low, high, after))
        assert len(page.items) <= limit
        found += [row.key for row in page.items]
        after = page.position
        if after is None:
            break

    assert found == sorted((key for key in everything if low <= key <= high), reverse=descending)


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(KEYS, unique=True, max_size=60),
    st.lists(st.integers(0, 3), min_size=60, max_size=60),
    st.integers(1, 7),
    st.booleans(),
    st.tuples(KEYS | st.just(LOWEST), KEYS | st.just(HIGHEST)),
    st.integers(1, 9),
)
def test_all_pages_over_partitions_of_a_table_are_their_items_in_order(
    index: Callable[..., FakeIndex],
    everything: list[str],
    places: list[int],
    limit: int,
    descending: bool,
    bounds: tuple[str, str],
    most: int,
) -> None:
    partitions: dict[str, list[str]] = {str(number): [] for number in range(4)}
    for key, place in zip(everything, places, strict=False):
        insort(partitions[str(place)], key)
    index(partitions, most)
    low, high = bounds

    found: list[str] = []
    after: str | None = None
    for _ in range(100):
        page = merged_table_page(Row, list(partitions), KeyRange(limit, descending, low, high, after))
        assert len(page.items) <= limit
        found += [row.key for row in page.items]
        after = page.position
        if after is None:
            break

    assert found == sorted((key for key in everything if low <= key <= high), reverse=descending)


def test_a_last_page_of_a_tables_partition_that_is_full_ends_the_list(index: Callable[..., FakeIndex]) -> None:
    fake = index({"a": ["k#1", "k#2"]})

    page = table_page(Row, "a", KeyRange(2, descending=True))

    assert [row.key for row in page.items] == ["k#2", "k#1"]
    assert page.position is None
    assert fake.calls == 1


def test_a_last_page_that_is_full_ends_the_list(index: Callable[..., FakeIndex]) -> None:
    index({"a": ["k#1", "k#2", "k#3", "k#4"]})

    assert [keys(page) for page in walk(["a"], KeyRange(2))] == [["k#1", "k#2"], ["k#3", "k#4"]]


def test_a_page_is_one_query_a_partition(index: Callable[..., FakeIndex]) -> None:
    fake = index({name: [f"k{number}#{name}" for number in range(50)] for name in "abc"})

    merged_page(INDEX, ["a", "b", "c"], KeyRange(20))

    assert fake.calls == 3


def test_a_page_may_be_empty_and_have_a_cursor(index: Callable[..., FakeIndex]) -> None:
    index({"a": [f"k{number:03}#0" for number in range(600)]})

    first, *rest = walk(["a"], KeyRange(20), keep=lambda entry: entry["key"] == "k599#0")

    assert first.items == []
    assert first.position is not None
    assert [key for page in rest for key in keys(page)] == ["k599#0"]


def test_items_added_behind_the_cursor_do_not_shift_the_next_page(index: Callable[..., FakeIndex]) -> None:
    fake = index({"a": ["b#1", "d#1", "f#1"]})
    first = merged_page(INDEX, ["a"], KeyRange(2))

    insort(fake.partitions["a"], "a#1")
    second = merged_page(INDEX, ["a"], KeyRange(2, after=first.position))

    assert keys(second) == ["f#1"]


@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("after", ["a#1", "z#1"])
def test_a_forged_position_leads_to_nothing_outside_the_bounds(
    index: Callable[..., FakeIndex], after: str, descending: bool
) -> None:
    index({"a": ["b#1", "m#1", "x#1"]})

    found = merged_page(INDEX, ["a"], KeyRange(9, descending, low="k", high="n", after=after))

    assert set(keys(found)) <= {"m#1"}


# ---- cursors --------------------------------------------------------------------------------------------------------

SCOPE = ["user-1", "/api/v1/orders", [["status", "pending"]]]


@given(KEYS, st.lists(st.text() | st.lists(st.text())))
def test_a_cursor_leads_back_to_its_position(position: str, binding: list[object]) -> None:
    cursor = encode_cursor(position, binding)

    assert cursor is not None
    assert cursor.isascii()
    assert decode_cursor(cursor, binding) == position


def test_the_end_has_no_cursor() -> None:
    assert encode_cursor(None, SCOPE) is None
    assert decode_cursor(None, SCOPE) is None


@pytest.mark.parametrize(
    "binding",
    [
        ["user-2", "/api/v1/orders", [["status", "pending"]]],
        ["user-1", "/api/v1/products", [["status", "pending"]]],
        ["user-1", "/api/v1/orders", [["status", "confirmed"]]],
        ["user-1", "/api/v1/orders", []],
    ],
    ids=["user", "path", "filter", "no filter"],
)
def test_a16_a_cursor_is_valid_for_its_own_user_and_query_only(binding: list[object]) -> None:
    cursor = encode_cursor("2026-01-31T09:30:00.000Z#A", SCOPE)

    with pytest.raises(InvalidRequestError):
        decode_cursor(cursor, binding)


@given(st.data())
def test_a16_an_altered_cursor_is_refused(data: st.DataObject) -> None:
    cursor = encode_cursor("2026-01-31T09:30:00.000Z#A", SCOPE) or ""
    raw = bytearray(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))

    with pytest.raises(InvalidRequestError) as caught:
        decode_cursor(base64.urlsafe_b64encode(raw).decode(), SCOPE)

    assert caught.value.extra["errors"][0]["parameter"] == "cursor"


@given(st.text() | st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_a16_a_malformed_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidRequestError):
        decode_cursor(cursor, SCOPE)


@pytest.mark.parametrize("position", ["", "é", "k\n", "k\x00", "k" * 1000], ids=repr)
def test_a_well_sealed_cursor_with_no_key_inside_is_refused(position: str) -> None:
    """Every client can get sealed cursors, so that the content is checked as well."""
    with pytest.raises(InvalidRequestError):
        decode_cursor(encode_cursor(position, SCOPE), SCOPE)
