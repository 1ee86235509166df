"""How deep tests of random examples go, by Hypothesis' profile: see tests/conftest.py."""

from hypothesis import settings


def examples(number: int) -> int:
    """So many at full depth; a tenth in the profile `quick`."""
    return number if settings.get_current_profile_name() == "full" else max(number // 10, 1)
