"""Guards of changes of e-mail addresses."""

from tests.support.guards.guard import LIBRARY, Guard

_CHANGES = f"{LIBRARY}/identity/email_change.py"
_TESTS = "tests/functional/auth/test_email_change.py"
_FAULTS = "tests/faults/test_email_change.py"
GUARDS = (
    Guard(
        "A37",
        "the old address is reserved after a change",
        _CHANGES,
        "        until = now + TAKE_BACK_SECONDS if seen.email_verified else now\n",
        "        until = now\n",
        f"{_TESTS}::test_a37_the_old_address_is_reserved_for_seven_days",
    ),
    Guard(
        "A37",
        "a reserved address does not sign in",
        f"{LIBRARY}/identity/attempts.py",
        "claim.user_id if claim and claim.reserved_until is None else None",
        "claim.user_id if claim else None",
        f"{_TESTS}::test_the_confirmed_address_counts_and_the_old_one_does_not",
    ),
    Guard(
        "A37",
        "a reserved address gets no reset mail",
        f"{LIBRARY}/mail/content/accounts.py",
        "    if claim is None or claim.reserved_until is not None:\n",
        "    if claim is None:\n",
        f"{_TESTS}::test_a_reset_mail_to_the_old_address_is_invalid_after_the_change",
    ),
    Guard(
        "A37",
        "a take-back drops the addresses that came later",
        _CHANGES,
        'if it["epoch"] < epoch]',
        "]",
        f"{_TESTS}::test_a37_several_changes_are_taken_back_at_once",
    ),
    Guard(
        "A37",
        "a take-back removes the password",
        _CHANGES,
        ", *passwords.remove_actions()]",
        "]",
        f"{_TESTS}::test_a37_the_old_address_takes_a_completed_change_back",
    ),
    Guard(
        "A37",
        "a new password ends a requested change",
        f"{LIBRARY}/identity/email_state.py",
        ' or change["auth_epoch"] != user.auth_epoch',
        "",
        f"{_TESTS}::test_a37_a_new_password_ends_a_requested_change",
    ),
    Guard(
        "A37",
        "an address with an account gets no mail about a change",
        f"{LIBRARY}/mail/content/accounts.py",
        "    if claim and claim.user_id != user.id and",
        "    if False and claim and claim.user_id != user.id and",
        f"{_TESTS}::test_a37_a_taken_address_gets_the_same_response_and_no_mail",
    ),
    Guard(
        "F29",
        "a change claims the address only if it is free",
        _CHANGES,
        "Claim.is_free(now) | (Claim.user_id == seen.id)",
        "Claim.is_free(now) | Claim.user_id.exists()",
        f"{_FAULTS}::test_f29_an_address_that_is_registered_during_the_change_is_the_other_users",
    ),
    Guard(
        "F29",
        "a change of the address is for the user as read",
        _CHANGES,
        "(User.version == seen.version) & unchanged",
        "User.pk.exists()",
        f"{_FAULTS}::test_f29_a_confirmation_and_a_take_back_at_once_end_in_one_state",
    ),
    Guard(
        "F29",
        "a newer request ends an older one",
        _CHANGES,
        "change == seen.email_change if seen.email_change else change.does_not_exist()",
        "User.pk.exists()",
        f"{_FAULTS}::test_f29_a_new_request_during_the_confirmation_wins",
    ),
)
