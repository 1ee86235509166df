from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import EndpointConnectionError

from oms.core import clock
from oms.core.errors import UnavailableError
from oms.core.secret_store import Reloaded


@pytest.fixture
def advance(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    now = datetime(2026, 1, 31, tzinfo=UTC)

    def move(seconds: float) -> None:
        nonlocal now
        now += timedelta(seconds=seconds)

    monkeypatch.setattr(clock, "now", lambda: now)
    return move


class Source:
    def __init__(self, value: str = "one") -> None:
        self.value = value
        self.is_down = False
        self.loads = 0

    def load(self) -> str:
        self.loads += 1
        if self.is_down:
            raise EndpointConnectionError(endpoint_url="https://ssm")
        return self.value


def test_a_value_is_loaded_when_first_used_and_again_after_five_minutes(advance: Callable[[float], None]) -> None:
    source = Source()
    reloaded = Reloaded(source.load)
    assert source.loads == 0

    assert [reloaded.get() for _ in range(3)] == ["one"] * 3
    advance(299)
    source.value = "two"
    assert reloaded.get() == "one"
    advance(1)
    assert (reloaded.get(), source.loads) == ("two", 2)


def test_an_empty_secret_is_read_again_after_ten_seconds(advance: Callable[[float], None]) -> None:
    source = Source("")
    reloaded = Reloaded(source.load)

    assert [reloaded.get() for _ in range(3)] == [""] * 3
    assert source.loads == 1
    source.value = "there"
    advance(10)
    assert reloaded.get() == "there"


def test_while_loading_fails_the_old_value_stays_and_ten_seconds_pass_between_tries(
    advance: Callable[[float], None],
) -> None:
    source = Source()
    reloaded = Reloaded(source.load)
    reloaded.get()
    source.is_down = True
    advance(300)

    assert [reloaded.get() for _ in range(3)] == ["one"] * 3
    assert source.loads == 2
    source.is_down, source.value = False, "two"
    advance(10)
    assert reloaded.get() == "two"


def test_without_an_old_value_it_is_unavailable_for_as_long_as_retry_after_says(
    advance: Callable[[float], None],
) -> None:
    source = Source()
    source.is_down = True
    reloaded = Reloaded(source.load)

    for _ in range(5):
        with pytest.raises(UnavailableError) as caught:
            reloaded.get()
    assert source.loads == 1
    source.is_down = False
    advance(int(caught.value.headers["Retry-After"]))
    assert reloaded.get() == "one"


def test_a_clock_that_was_set_back_loads_again(advance: Callable[[float], None]) -> None:
    source = Source()
    reloaded = Reloaded(source.load)
    reloaded.get()

    advance(-1)
    reloaded.get()

    assert source.loads == 2
