"""The version that a request expects."""

import pytest

from oms.core.errors import StaleVersionError
from oms.core.versions import ANY_VERSION, ExpectedVersion


@pytest.mark.parametrize("expected", [ANY_VERSION, ExpectedVersion(frozenset({'"2"', '"3"'}))])
def test_an_expected_version_passes(expected: ExpectedVersion) -> None:
    expected.check(3)


@pytest.mark.parametrize("tags", [[], ['"2"'], ["3"], ['"03"'], ['"other"', '"33"']])
def test_another_version_is_refused_with_the_current_one(tags: list[str]) -> None:
    with pytest.raises(StaleVersionError, match='the current ETag, which is "3"') as refused:
        ExpectedVersion(frozenset(tags)).check(3)

    assert refused.value.headers == {"ETag": '"3"'}
