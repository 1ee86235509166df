"""How deep tests of random examples go, by Hypothesis' profile: see tests/conftest.py."""

from hypothesis import settings


def examples(number: int) -> int:
    """Returns `number` at full depth, and a tenth of it in the profile `quick`."""
    return number if settings.get_current_profile_name() == "full" else max(number // 10, 1)
