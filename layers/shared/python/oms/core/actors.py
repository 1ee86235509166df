"""Who makes a change: a signed-in user, or the system."""

from dataclasses import dataclass
from typing import Protocol


class Actor(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def role(self) -> str: ...


@dataclass(frozen=True)
class System:
    """The actor of changes that nobody asked for."""

    id: str = "system"
    role: str = "system"
