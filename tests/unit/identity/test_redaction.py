"""The attributes of the identity table's items that operators see during a repair."""

from typing import Any

import pytest

from oms.identity.models import without_hashes

HASH = "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8"


@pytest.mark.parametrize(
    "secret",
    [
        {"sk": {"S": "user"}, "password_hash": {"S": HASH}},
        {"sk": {"S": "session#S"}, "current": {"S": HASH}},
        {"sk": {"S": "session#S"}, "previous": {"S": HASH}},
        {"sk": {"S": "session#S"}, "successor": {"B": HASH}},
        {"sk": {"S": f"device#{HASH}"}},
        {"sk": {"S": f"token#{HASH}"}},
    ],
    ids=["password", "current", "previous", "successor", "device", "mailed token"],
)
def test_f15_no_hash_of_a_secret_is_in_it_and_the_rest_is(secret: dict[str, Any]) -> None:
    rest = {"pk": {"S": "user#U"}, "role": {"S": "admin"}, "version": {"N": "3"}}

    shown = without_hashes(rest | secret)

    assert HASH not in str(shown)
    assert shown.keys() == (rest | secret).keys()
    assert {name: shown[name] for name in rest} == rest
    assert all(shown[name].keys() == value.keys() for name, value in secret.items()), "it can still be decoded"
