"""Rate limits: fixed windows, usually of one minute, and the remaining calls."""

from collections.abc import Callable
from dataclasses import dataclass

from oms.core.errors import TooManyRequestsError

WINDOW_SECONDS = 60


@dataclass(frozen=True)
class Allowance:
    """The `remaining` calls of a client's `limit`, in a window of `seconds` that ends in `resets_in` seconds."""

    policy: str
    limit: int
    remaining: int
    resets_in: int
    seconds: int = WINDOW_SECONDS

    @property
    def headers(self) -> dict[str, str]:
        """The headers of draft-ietf-httpapi-ratelimit-headers."""
        return {
            "RateLimit-Policy": f'"{self.policy}";q={self.limit};w={self.seconds}',
            "RateLimit": f'"{self.policy}";r={self.remaining};t={self.resets_in}',
        }


type ReportAllowance = Callable[[Allowance], None]
"""Called as soon as a call is counted, so that error responses show the allowance, too."""


@dataclass(frozen=True)
class RateWindow:
    """The fixed window of some `seconds`, a minute unless it says otherwise, around the epoch second `now`."""

    policy: str
    limit: int
    now: int
    seconds: int = WINDOW_SECONDS

    @property
    def number(self) -> int:
        return self.now // self.seconds

    @property
    def resets_in(self) -> int:
        return self.seconds - self.now % self.seconds

    @property
    def forgotten_at(self) -> int:
        """When the window's counter may be deleted, in epoch seconds."""
        return self.now + 2 * self.seconds

    def allowance(self, taken: int) -> Allowance:
        return Allowance(self.policy, self.limit, max(0, self.limit - taken), self.resets_in, self.seconds)

    def refusal(self) -> TooManyRequestsError:
        period = "a minute" if self.seconds == WINDOW_SECONDS else f"in {self.seconds} seconds"
        return TooManyRequestsError(
            f"At most {self.limit} requests {period} are allowed. Try again in {self.resets_in} s.",
            headers={"Retry-After": str(self.resets_in), **self.allowance(self.limit).headers},
        )
