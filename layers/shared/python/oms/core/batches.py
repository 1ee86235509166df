"""Batches that fit the limits of one AWS call, a number of items and a number of bytes."""

from collections.abc import Callable, Iterable, Iterator


def packed[T](
    items: Iterable[T], size_bytes: Callable[[T], int], *, max_items: int, max_bytes: int
) -> Iterator[list[T]]:
    """Yields the items in order, in batches that are as large as both limits allow.

    An oversized item is a batch alone.
    """
    batch: list[T] = []
    batch_bytes = 0
    for item in items:
        item_bytes = size_bytes(item)
        if batch and (len(batch) == max_items or batch_bytes + item_bytes > max_bytes):
            yield batch
            batch, batch_bytes = [], 0
        batch.append(item)
        batch_bytes += item_bytes
    if batch:
        yield batch
