from oms.core.rate_limits import RateWindow
from oms.identity.lockout import LockState
from oms.identity.models import AccountCounter

NOW = 1_800_000_000
MINUTE = 60


def failed(times: int, lock_state: LockState | None = None, now: int = NOW) -> LockState:
    lock_state = lock_state or LockState()
    for _ in range(times):
        lock_state = lock_state.after_failure(now)
    return lock_state


def counter(lock_state: LockState, now: int = NOW) -> AccountCounter:
    return AccountCounter(
        pk="account#x",
        sk="counter",
        failures=lock_state.failures,
        level=lock_state.level,
        locked_until=lock_state.locked_until,
        forgotten_at=lock_state.forgotten_at(now),
    )


def test_four_failures_lock_nothing_and_the_fifth_does() -> None:
    assert not failed(4).is_locked(NOW)
    assert not failed(4).locks
    assert failed(5).is_locked(NOW)
    assert failed(5).locks
    assert failed(5).locked_until == NOW + 15 * MINUTE


def test_a_lock_ends_to_the_second() -> None:
    end = NOW + 15 * MINUTE

    assert failed(5).is_locked(end - 1)
    assert not failed(5).is_locked(end)


def test_after_a_lock_five_more_are_needed_and_the_next_lock_is_twice_as_long() -> None:
    later = NOW + 15 * MINUTE
    once = failed(5)

    assert failed(1, once, later) == LockState(failures=1, level=1, locked_until=once.locked_until)
    assert failed(5, once, later).locked_until == later + 30 * MINUTE


def test_no_lock_is_longer_than_a_day() -> None:
    assert failed(5, LockState(level=6)).locked_until == NOW + 16 * 60 * MINUTE
    for level in (7, 8, 60):
        assert failed(5, LockState(level=level)).locked_until == NOW + 24 * 60 * MINUTE


def test_failures_are_forgotten_a_day_after_the_last_or_its_lock() -> None:
    day = 24 * 60 * MINUTE

    assert LockState.of(counter(failed(4)), NOW + day - 1) == failed(4)
    assert LockState.of(counter(failed(4)), NOW + day) == LockState()
    assert LockState.of(counter(failed(5)), NOW + day + 15 * MINUTE - 1) == failed(5)
    assert LockState.of(counter(failed(5)), NOW + day + 15 * MINUTE) == LockState()


def test_windows_are_fixed_minutes() -> None:
    start = NOW - NOW % 60

    first, last, following = (RateWindow("login", 5, start + second) for second in (0, 59, 60))
    assert (first.number, first.resets_in) == (last.number, 60)
    assert last.resets_in == 1
    assert following.number == first.number + 1


def test_what_remains_is_never_below_zero() -> None:
    window = RateWindow("login", 5, NOW)

    assert [window.allowance(taken).remaining for taken in (1, 5, 7)] == [4, 0, 0]
