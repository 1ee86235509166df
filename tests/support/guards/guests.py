"""Guards of guests and their order tokens (A38)."""

from tests.support.guards.guard import LIBRARY, Guard

_TESTS = "tests/security/test_guests.py"
_GUESTS = f"{LIBRARY}/core/guests.py"
_COUNTERS = f"{LIBRARY}/orders/order_windows.py"

GUARDS = (
    Guard(
        "A38",
        "guests order only by the setting",
        f"{LIBRARY}/http/admission.py",
        'rule.guests == "checkout" and settings().guest_checkout and',
        'rule.guests == "checkout" and',
        f"{_TESTS}::test_a38_without_the_setting_a_guest_is_refused",
    ),
    Guard(
        "A38",
        "the code of an order token is compared",
        _GUESTS,
        "        if right is None or not hmac.compare_digest(code, right):\n",
        "        if right is None:\n",
        f"{_TESTS}::test_a38_a_changed_token_is_refused_without_a_read",
    ),
    Guard(
        "A38",
        "an order token ends",
        _GUESTS,
        "clock.now().timestamp() >= expires_at",
        "False",
        f"{_TESTS}::test_a38_a_token_ends_after_90_days_and_with_a_higher_counter",
    ),
    Guard(
        "A38",
        "an order token of an earlier counter is refused",
        f"{LIBRARY}/orders/visibility.py",
        "            if order.token_counter != self.token.counter:\n",
        "            if False:\n",
        f"{_TESTS}::test_a38_a_token_ends_after_90_days_and_with_a_higher_counter",
    ),
    Guard(
        "A38",
        "an order token opens its order only",
        f"{LIBRARY}/orders/visibility.py",
        "            if order.id != self.token.order_id:\n",
        "            if False:\n",
        f"{_TESTS}::test_a38_an_order_token_opens_no_other_order_and_no_other_route",
    ),
    Guard(
        "A38",
        "an order token opens the routes of an order only",
        f"{LIBRARY}/http/admission.py",
        'if guest.token is None or rule.guests != "order":',
        "if guest.token is None:",
        f"{_TESTS}::test_a38_an_order_token_opens_no_other_order_and_no_other_route",
    ),
    Guard(
        "A38",
        "the orders of a mailbox are counted without its tag",
        _COUNTERS,
        "mailbox = email_addresses.mailbox(email_addresses.fold(email))",
        "mailbox = email_addresses.fold(email)",
        f"{_TESTS}::test_a38_a_mailbox_places_three_orders_in_the_time_of_a_hold",
    ),
    Guard(
        "A38",
        "the orders of a guest's client address are counted",
        _COUNTERS,
        "    if guest_address is not None:\n",
        "    if False:\n",
        f"{_TESTS}::test_a38_a_client_address_places_few_orders_in_the_time_of_a_hold",
    ),
    Guard(
        "A38",
        "a guest's idempotency key has 16 characters",
        "functions/orders/handler.py",
        "if key is not None and len(key) < _MIN_KEY_OF_GUESTS:",
        "if False:",
        f"{_TESTS}::test_a38_a_replay_has_the_token_again_and_its_key_is_no_guess",
    ),
)
