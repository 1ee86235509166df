"""Rate limits: fixed windows of one minute, and the remaining calls."""

from collections.abc import Callable
from dataclasses import dataclass

from oms.core.errors import TooManyRequestsError

WINDOW_SECONDS = 60


@dataclass(frozen=True)
class Allowance:
    """The `remaining` calls of a client's `limit`, in a window that ends in `resets_in` seconds."""

    policy: str
    limit: int
    remaining: int
    resets_in: int

    @property
    def headers(self) -> dict[str, str]:
        """The headers of draft-ietf-httpapi-ratelimit-headers."""
        return {
            "RateLimit-Policy": f'"{self.policy}";q={self.limit};w={WINDOW_SECONDS}',
            "RateLimit": f'"{self.policy}";r={self.remaining};t={self.resets_in}',
        }


type ReportAllowance = Callable[[Allowance], None]
"""Called as soon as a call is counted, so that error responses show the allowance, too."""


@dataclass(frozen=True)
class RateWindow:
    """The fixed window of `WINDOW_SECONDS` around an epoch second."""

    policy: str
    limit: int
    now: int

    @property
    def number(self) -> int:
        return self.now // WINDOW_SECONDS

    @property
    def resets_in(self) -> int:
        return WINDOW_SECONDS - self.now % WINDOW_SECONDS

    @property
    def forgotten_at(self) -> int:
        """When the window's counter may be deleted, in epoch seconds."""
        return self.now + 2 * WINDOW_SECONDS

    def allowance(self, taken: int) -> Allowance:
        return Allowance(self.policy, self.limit, max(0, self.limit - taken), self.resets_in)

    def refusal(self) -> TooManyRequestsError:
        return TooManyRequestsError(
            f"At most {self.limit} requests a minute are allowed. Try again in {self.resets_in} s.",
            headers={"Retry-After": str(self.resets_in), **self.allowance(self.limit).headers},
        )
