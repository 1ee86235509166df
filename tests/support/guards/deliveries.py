"""Guards of webhooks: targets, signatures, hostile subscribers, matching, attempts (A20 to A23, A27, F18, F20)."""

from tests.support.guards.guard import LIBRARY, Guard

_SENDING = f"{LIBRARY}/webhooks/sending.py"
_TARGETS = f"{LIBRARY}/webhooks/targets.py"
_POST = f"{LIBRARY}/webhooks/post.py"
_STRANGERS = "tests/security/test_hostile_subscribers.py"

GUARDS = (
    Guard(
        "A20",
        "managers do not see the path of a webhook's URL",
        f"{LIBRARY}/webhooks/schemas.py",
        '            shown["url"] = _without_path(subscription.url)\n',
        "            pass\n",
        "tests/functional/test_webhooks.py::test_a20_managers_read_no_path_of_a_url",
    ),
    Guard(
        "A20",
        "managers do not see what a receiver answered",
        f"{LIBRARY}/webhooks/schemas.py",
        "answer=attempt.answer if _may_read_secrets(reader) else None,",
        "answer=attempt.answer,",
        "tests/functional/test_delivery_admin.py::test_a20_managers_do_not_read_the_response_of_a_receiver",
    ),
    Guard(
        "A20",
        "a mail shows the path of a webhook's URL to admins alone",
        f"{LIBRARY}/mail/content/webhooks.py",
        "reader=creator.role",
        'reader="admin"',
        "tests/functional/test_order_mails.py::test_a20_a_creator_who_is_now_a_manager_is_mailed_no_path_of_a_url",
    ),
    Guard(
        "A21",
        "each address of a name has to be public",
        _TARGETS,
        "        if not (is_public(address) or private):\n",
        "        if False:\n",
        "tests/security/test_targets.py::test_a21_a_name_that_leads_to_a_forbidden_address_opens_no_socket",
    ),
    Guard(
        "A21",
        "multicast addresses are not public",
        _TARGETS,
        " or ip.is_multicast",
        "",
        "tests/security/test_targets.py::test_a21_a_name_that_leads_to_a_forbidden_address_opens_no_socket",
    ),
    Guard(
        "A21",
        "a target is on port 443",
        _TARGETS,
        "    if not private and port not in (None, 443):\n",
        "    if False:\n",
        "tests/security/test_targets.py::test_a21_a_url_that_is_not_plainly_https_is_refused",
    ),
    Guard(
        "A21",
        "the sender checks the address of each attempt",
        _SENDING,
        "response = post(target, body, headers, private=private)",
        "response = post(target, body, headers, private=True)",
        "tests/functional/test_sender.py::test_a21_no_answer_and_a_forbidden_address_are_failures_that_say_why",
    ),
    Guard(
        "A22",
        "the signature covers the time",
        f"{LIBRARY}/webhooks/signature.py",
        '    content = f"{message_id}.{timestamp}.".encode() + body\n',
        '    content = f"{message_id}.".encode() + body\n',
        "tests/unit/webhooks/test_signature.py::test_a22_the_golden_vector_of_the_standard",
    ),
    Guard(
        "A22",
        "the previous secret signs too, beside the new one",
        _SENDING,
        "    if subscription.previous_secret and (subscription.previous_until or 0) > now.timestamp():\n",
        "    if False:\n",
        "tests/functional/test_sender.py::test_a22_a_rotated_secret_signs_beside_the_new_one_until_its_time",
    ),
    Guard(
        "A23",
        "an attempt ends after 15 s",
        _POST,
        "TIMEOUT_SECONDS = 15.0\n",
        "TIMEOUT_SECONDS = 450.0\n",
        f"{_STRANGERS}::test_a23_an_attempt_has_15_seconds_for_everything",
    ),
    Guard(
        "A23",
        "each read of a response ends with the attempt's time",
        _POST,
        "        self._connection.settimeout(self._deadline.left())\n        read =",
        "        read =",
        f"{_STRANGERS}::test_a23_a_dripping_answer_is_cut_off_in_time",
    ),
    Guard(
        "A23",
        "a response has at most 128 KB in total",
        _POST,
        "        self.left -= read\n",
        "",
        f"{_STRANGERS}::test_a23_of_a_gigabyte_16_kb_are_read",
    ),
    Guard(
        "A27",
        "the sender keeps events of users from a former admin's subscription",
        _SENDING,
        "    if not may_have:\n",
        "    if False:\n",
        "tests/functional/test_webhook_health.py::"
        "test_a27_a_user_event_is_withheld_from_the_subscription_of_a_former_admin",
    ),
    Guard(
        "A27",
        "the dispatcher keeps events of users from a former admin's subscription",
        f"{LIBRARY}/webhooks/matcher.py",
        "matches(map(str, it.events), event_type) and self.may_have(it, event_type)",
        "matches(map(str, it.events), event_type)",
        "tests/functional/test_dispatcher.py::test_a27_events_of_users_go_to_subscriptions_of_current_active_admins",
    ),
    Guard(
        "A27",
        "managers do not see deliveries of events for admins",
        f"{LIBRARY}/webhooks/delivery_admin.py",
        "[(position, it) for position, it in page.placed if may_see(it.event_type)]",
        "page.placed",
        "tests/functional/test_delivery_admin.py::"
        "test_a27_managers_are_not_shown_deliveries_of_events_that_are_for_admins",
    ),
    Guard(
        "A27",
        "the mail of a disabled webhook does not go to a customer",
        f"{LIBRARY}/mail/content/webhooks.py",
        '        if creator.role == "customer":\n',
        "        if False:\n",
        "tests/functional/test_order_mails.py::test_a27_an_owner_who_may_no_longer_see_webhooks_gets_no_mail",
    ),
    Guard(
        "F18",
        "a sender that outlived its claim writes no outcome",
        _SENDING,
        "    owned = LEASE.is_held(delivery)\n",
        "    owned = Delivery.pk.exists()\n",
        "tests/faults/test_deliveries.py::test_f18_a_late_success_does_not_replace_the_outcome_of_another_attempt",
    ),
    Guard(
        "F18",
        "an attempt is counted before it is made",
        _SENDING,
        "        Delivery.attempt_count.add(1),\n",
        "",
        "tests/functional/test_sender.py::"
        "test_f18_an_attempt_that_was_cut_off_counts_and_the_next_follows_after_its_claim",
    ),
    Guard(
        "F20",
        "the waits between attempts",
        f"{LIBRARY}/webhooks/schedule.py",
        "    timedelta(hours=20),\n",
        "",
        "tests/faults/test_subscriber_outage.py::test_f20_each_attempt_comes_at_its_time_to_the_second",
    ),
    Guard(
        "F20",
        "a subscription is disabled after five days",
        f"{LIBRARY}/webhooks/schedule.py",
        "DISABLED_AFTER = timedelta(days=5)",
        "DISABLED_AFTER = timedelta(days=50)",
        "tests/functional/test_webhook_health.py::test_f20_five_days_of_failing_disable",
    ),
)
