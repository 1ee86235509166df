"""Actors of changes: a signed-in user, or the system."""

from dataclasses import dataclass
from typing import Protocol


class Actor(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def role(self) -> str: ...


@dataclass(frozen=True)
class System:
    """The actor of a change that no user requested, such as an expiry."""

    id: str = "system"
    role: str = "system"
