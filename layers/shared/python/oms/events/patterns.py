"""Event patterns: `order.created` means that type, `order.*` all types of orders, `*` all types."""

from collections.abc import Iterable


def matches(patterns: Iterable[str], event_type: str) -> bool:
    """Whether one of the patterns matches the event type."""
    return any(
        pattern in ("*", event_type) or (pattern.endswith(".*") and event_type.startswith(pattern[:-1]))
        for pattern in patterns
    )
