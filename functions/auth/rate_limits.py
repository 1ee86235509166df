"""How an allowance is shown (draft-ietf-httpapi-ratelimit-headers)."""

from oms import api
from oms.identity.limits import WINDOW_SECONDS, Allowance


def show(allowance: Allowance) -> None:
    """Puts it on this request's answer, however that ends."""
    api.answer_header("RateLimit-Policy", f'"{allowance.policy}";q={allowance.limit};w={WINDOW_SECONDS}')
    api.answer_header("RateLimit", f'"{allowance.policy}";r={allowance.remaining};t={allowance.resets_in}')
