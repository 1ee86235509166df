"""Schemathesis' hooks for this API: the requests that it may refuse though they fit their schema, and the reasons."""

import re

import requests
import schemathesis
from schemathesis import Case, CheckContext

# Refusals that depend on the stored state and not on the form of the request, which no schema can describe.
STATE = {401, 403, 404, 409, 410, 412, 429}
# The codes of a 422 that depend on it.
STATE_CODES = {
    "unknown-product": "which products are on sale",
    "unknown-customer": "which accounts there are",
    "invalid-token": "which tokens were mailed, and when",
    "idempotency-key-reused": "what was sent before with this key",
    "webhook-url-forbidden": "where a name leads, and that its address is public",
}
# The message for a refused value that fits its schema → the reason that no schema can describe it.
RULES = {
    # A value depends on another one of the same request.
    "must not be before from|must be within the \\d+ days|must be closer to from": "a period ends later, and in time",
    "must not be below min_price": "so have prices",
    "^has .*, which the report .* does not have": "each report has columns of its own",
    "must be a date, since sales|must be at most .* days before to": "sales have days, other reports times",
    "cannot be combined with": "indexes serve some filters, and formats some options",
    "must be upsert, since|must be jsonl, since": "mode and format of an import depend on its kind",
    "is not supported by an export of": "each report has filters of its own",
    "can be used only with group_by=product|is required if cursor": "one of the series has pages",
    "is required, unless the cookie has it": "the token may be in a cookie",
    "must have either .* or|must have if_version only": "with `oneOf`, clients have a type for each",
    "must not have further fields": "the same, of a customer's account",
    # A value depends on the stored state.
    "is not a cursor of this list": "the system seals cursors",
    "is not the address of an active manager or admin": "which users there are",
    "cannot be changed": "the SKU of the product",
    "must have at most .* decimals|must be at most [\\d.]+$|must be between 0 and": "the currency and the settings",
    # A value has a form that schemas cannot describe portably.
    "must be an ETag from a response": "Schemathesis sends headers that do not match their pattern as valid, too",
    "must not repeat a value": "a pattern of a text with commas; of an array the schema says it",
    "must be one line|must have a visible character": "Unicode's categories",
    "must be an e-mail address": "mail can be sent to fewer addresses than `format: email` allows",
    "must begin with https://|must be a URL that begins with": "`format: uri` allows any scheme",
    "must have the form rate": "AWS's grammar of schedules, with bounds",
    "must be an ISO 3166-1": "a list that changes",
    "does not match an event type": "a list that grows, which the document does not close",
    "must be a network such as": "networks of two families, without bits of the host",
    "must be in the future": "the current time",
    "must be a whole number|valid integer": "2.0 is an integer to JSON Schema",
    "must not be (one common|made of)|must have \\d+ to \\d+ characters": "lists of passwords, and who the user is",
}


@schemathesis.check
def refuses_valid_data_for_a_known_reason(ctx: CheckContext, response: requests.Response, case: Case) -> None:
    """Checks that a request that fits its schema gets a 4xx only for state, or for a rule that is listed here."""
    status = response.status_code
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if not 400 <= status < 500 or status in STATE:
        return
    problem = response.json()
    if status == 422 and problem["code"] in STATE_CODES:
        return
    unknown = [
        error
        for error in problem.get("errors", [problem])
        if not any(re.search(rule, error["detail"]) for rule in RULES)
    ]
    assert not unknown, f"valid data was refused with {status}: {unknown}"
