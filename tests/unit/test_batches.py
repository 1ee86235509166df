"""Batches by number and by size."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from oms.core.batches import packed


def test_a_batch_ends_at_either_limit_and_a_larger_item_is_alone() -> None:
    assert list(packed("abcde", lambda _: 1, max_items=2, max_bytes=9)) == [["a", "b"], ["c", "d"], ["e"]]
    assert list(packed([3, 3, 3, 7, 20, 1], int, max_items=9, max_bytes=9)) == [[3, 3, 3], [7], [20], [1]]
    assert list(packed([], len, max_items=2, max_bytes=9)) == []


@given(st.lists(st.integers(0, 12)), st.integers(1, 4), st.integers(1, 12))
def test_batches_hold_all_items_in_order_and_none_could_take_the_next(
    sizes: list[int], max_items: int, max_bytes: int
) -> None:
    batches = list(packed(sizes, int, max_items=max_items, max_bytes=max_bytes))

    assert [it for batch in batches for it in batch] == sizes
    assert all(len(it) <= max_items and (sum(it) <= max_bytes or len(it) == 1) for it in batches)
    assert all(
        len(one) == max_items or sum(one) + following[0] > max_bytes for one, following in itertools.pairwise(batches)
    )
