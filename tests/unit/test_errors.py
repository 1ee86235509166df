import re
from pathlib import Path

import pytest

from oms.core import errors
from oms.core.errors import InvalidRequestError, OmsError, UnavailableError

DOCUMENT = Path(__file__).parents[2] / "functions/docs/errors.md"
ERRORS = [it for it in vars(errors).values() if isinstance(it, type) and issubclass(it, OmsError)]


def documented(text: str) -> dict[str, int]:
    return {code: int(status) for code, status in re.findall(r"^\| `([a-z-]+)` \| (\d{3}) \| \S", text, re.MULTILINE)}


def test_every_code_is_documented_with_its_status_and_no_other_is() -> None:
    assert documented(DOCUMENT.read_text()) == {error.code: error.status for error in ERRORS}


def test_a_row_without_a_meaning_does_not_count() -> None:
    assert documented("| `a-code` | 404 | Meaning | Do |") == {"a-code": 404}
    assert documented("| `a-code` | 404 |  | Do |") == {}


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_a_code_is_kebab_case_and_has_one_meaning(error: type[OmsError]) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", error.code)
    assert error.title
    assert 400 <= error.status < 600
    assert [it for it in ERRORS if it.code == error.code] == [error]


def test_an_invalid_request_lists_its_places() -> None:
    error = InvalidRequestError.at("must be 3", pointer="#/a")

    assert error.extra == {"errors": [{"pointer": "#/a", "detail": "must be 3"}]}


def test_what_may_be_sent_again_says_when() -> None:
    assert UnavailableError(retry_after=7).headers == {"Retry-After": "7"}
