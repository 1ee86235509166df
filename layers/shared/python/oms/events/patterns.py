"""Event patterns: `order.created` means that type, `order.*` all types of orders, `*` all types."""

from collections.abc import Iterable


def matches(patterns: Iterable[str], event_type: str) -> bool:
    return any(
        pattern in ("*", event_type) or (pattern.endswith(".*") and event_type.startswith(pattern[:-1]))
        for pattern in patterns
    )
