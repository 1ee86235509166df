"""Guards of the public catalogue."""

from tests.support.guards.guard import LIBRARY, Guard

_ADMISSION = f"{LIBRARY}/http/admission.py"
_TESTS = "tests/security/test_public_catalogue.py"
GUARDS = (
    Guard(
        "A35",
        "the catalogue is public only by the setting",
        _ADMISSION,
        "rule.in_catalogue and settings().public_catalogue",
        "rule.in_catalogue",
        f"{_TESTS}::test_a35_without_the_setting_every_reader_needs_a_token",
    ),
    Guard(
        "A35",
        "a request with a wrong token is not answered as one without a token",
        _ADMISSION,
        '"authorization" not in request.headers',
        "bearer_token() is None",
        f"{_TESTS}::test_a35_a_wrong_token_is_refused_and_not_taken_for_none",
    ),
    Guard(
        "A35",
        "filters of managers need a token",
        _ADMISSION,
        "    if _has_manager_parameters(rule, request):\n",
        "    if False:\n",
        f"{_TESTS}::test_a35_filters_of_managers_need_a_token",
    ),
    Guard(
        "A35",
        "the requests of a client address are counted",
        _ADMISSION,
        "    limit_anonymous_requests(client_address())\n    if",
        "    if",
        f"{_TESTS}::test_a35_a_client_address_is_limited_and_the_refusal_is_not_kept",
    ),
    Guard(
        "A35",
        "only successful responses without a token are cacheable",
        f"{LIBRARY}/http/serving.py",
        'request.is_anonymous and answer["statusCode"] == 200',
        "request.is_public",
        f"{_TESTS}::test_a35_each_caller_sees_what_the_table_says",
    ),
    Guard(
        "A35",
        "the responses of the catalogue vary by the token",
        f"{LIBRARY}/http/serving.py",
        '{"Vary": "Authorization, Origin"}',
        '{"Vary": "Origin"}',
        f"{_TESTS}::test_a35_each_caller_sees_what_the_table_says",
    ),
    Guard(
        "A35",
        "readers without a token see no field of managers",
        "functions/inventory/handler.py",
        "        return show_public_product\n",
        "        return show_managed_product\n",
        f"{_TESTS}::test_a35_each_caller_gets_the_fields_that_the_table_says",
    ),
)
