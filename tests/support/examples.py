"""Which random examples a test tries, by Hypothesis' profile: see tests/conftest.py."""

import os
from random import SystemRandom

from hypothesis import settings


def examples(number: int) -> int:
    """Returns `number` at full depth, and a tenth of it in the profile `quick`."""
    return max(number // 10, 1) if settings.get_current_profile_name() == "quick" else number


def first_seed(variable: str) -> int:
    """Returns the seed of a test's own random choices: the environment's, a new one in the profile `random`, or 0."""
    is_random = settings.get_current_profile_name() == "random"
    return int(os.environ.get(variable) or (SystemRandom().randrange(2**32) if is_random else 0))
