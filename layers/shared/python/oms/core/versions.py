"""The version of a resource that a request expects, from its If-Match header."""

from dataclasses import dataclass

from oms.core.errors import StaleVersionError


def entity_tag(version: int) -> str:
    """A version as the value of the `ETag` header (RFC 9110, section 8.8.3)."""
    return f'"{version}"'


@dataclass(frozen=True)
class ExpectedVersion:
    """The versions for which a request is meant, as entity tags; None for any version."""

    tags: frozenset[str] | None = None

    def check(self, version: int) -> None:
        """Raises StaleVersionError (412) with the resource's `version`, if it is not an expected one."""
        tag = entity_tag(version)
        if self.tags is not None and tag not in self.tags:
            raise StaleVersionError(f"The current version is {version}.", headers={"ETag": tag})


ANY_VERSION = ExpectedVersion()
