"""Guards of service keys."""

from tests.support.guards.guard import LIBRARY, Guard

_ACCESS = f"{LIBRARY}/service_keys/access.py"
_TESTS = "tests/security/test_service_keys.py"
_LIMITS = "tests/functional/test_service_key_limits.py"
GUARDS = (
    Guard(
        "A34",
        "the checksum of a service key is compared before the read",
        f"{LIBRARY}/service_keys/tokens.py",
        " if checksum == _checksum(checked) else None\n",
        "\n",
        f"{_TESTS}::test_a34_a_text_that_cannot_be_a_key_is_refused_without_a_call",
    ),
    Guard(
        "A34",
        "a service key of another stage is refused",
        _ACCESS,
        "    if token is None or token.stage != settings().stage:\n",
        "    if token is None:\n",
        f"{_TESTS}::test_a34_a_text_that_cannot_be_a_key_is_refused_without_a_call",
    ),
    Guard(
        "A34",
        "the secret of a service key is compared with its hash",
        _ACCESS,
        "    return (is_current or is_previous) and key.status",
        "    return key.status",
        f"{_TESTS}::test_a34_an_unknown_id_and_a_wrong_secret_are_refused_alike",
    ),
    Guard(
        "A34",
        "the previous secret of a service key ends",
        _ACCESS,
        " and now.timestamp() < (key.previous_until or 0)\n",
        "\n",
        f"{_TESTS}::test_a34_the_previous_secret_is_valid_for_24_hours",
    ),
    Guard(
        "A34",
        "a disabled service key is refused",
        _ACCESS,
        ' and key.status == "active"',
        "",
        f"{_TESTS}::test_a34_disabled_and_deleted_keys_are_refused_at_once",
    ),
    Guard(
        "A34",
        "an expired service key is refused",
        _ACCESS,
        " and not key.is_expired(now)\n",
        "\n",
        f"{_TESTS}::test_a34_an_expired_key_is_refused",
    ),
    Guard(
        "A34",
        "the copies of a service key change with it",
        f"{LIBRARY}/service_keys/service.py",
        "                _save_copies(writes, latest)\n",
        "",
        f"{_TESTS}::test_a34_every_copy_is_changed",
    ),
    Guard(
        "A34",
        "a service key is used from its networks alone",
        f"{LIBRARY}/http/admission.py",
        "    if not key.may_be_used_from(exact_client_address()):\n",
        "    if False:\n",
        f"{_TESTS}::test_a34_a_key_is_used_from_its_networks_alone",
    ),
    Guard(
        "A34",
        "a route without a scope admits no service key",
        f"{LIBRARY}/http/admission.py",
        "    if rule.scope is None:\n",
        "    if False:\n",
        "tests/security/test_scopes.py::test_a34_the_matrix_of_every_operation_every_scope_and_every_role",
    ),
    Guard(
        "A34",
        "a service key needs the scope of the route",
        f"{LIBRARY}/http/admission.py",
        "    if rule.scope not in key.scopes:\n",
        "    if False:\n",
        "tests/security/test_scopes.py::test_a34_the_matrix_of_every_operation_every_scope_and_every_role",
    ),
    Guard(
        "A34",
        "a user grants only scopes of their own role",
        f"{LIBRARY}/service_keys/service.py",
        "        if scope not in scopes_of(by.role)\n",
        "        if False\n",
        "tests/functional/test_service_keys.py::test_a34_a_key_gets_no_scope_that_its_maker_lacks",
    ),
    Guard(
        "A34",
        "a lease of a service key stays within the limit",
        f"{LIBRARY}/service_keys/limits.py",
        " | (KeyRequests.n <= window.limit - size)\n",
        " | (KeyRequests.n <= window.limit)\n",
        f"{_LIMITS}::test_a34_twenty_workers_never_pass_the_limit_and_use_95_percent",
    ),
    Guard(
        "A34",
        "the requests of a service key are counted",
        f"{LIBRARY}/http/admission.py",
        "    KEY_LEASES.use(key.id, key.rate_limit)\n",
        "",
        f"{_LIMITS}::test_a34_a_key_over_its_limit_gets_the_time_to_retry",
    ),
)
