"""Versions of resources: entity tags, and the versions that a request expects by its If-Match header."""

from dataclasses import dataclass

from oms.core.errors import StaleVersionError


def entity_tag(version: int) -> str:
    """Returns the value of the `ETag` header for a version (RFC 9110, section 8.8.3)."""
    return f'"{version}"'


@dataclass(frozen=True)
class ExpectedVersion:
    """The versions that a request expects, as entity tags; None for any version."""

    tags: frozenset[str] | None = None

    def check(self, version: int) -> None:
        """Raises StaleVersionError (412) with the resource's `version` if that is not expected."""
        tag = entity_tag(version)
        if self.tags is not None and tag not in self.tags:
            raise StaleVersionError(
                f"If-Match does not name the current ETag, which is {tag}. Get the resource again.",
                headers={"ETag": tag},
            )


ANY_VERSION = ExpectedVersion()
