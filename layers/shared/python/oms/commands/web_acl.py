"""The web ACL of a stage's CloudFront distribution: AWS's managed rules, and a rate for each client address.

CloudFront takes web ACLs of us-east-1 only, where the stage's stack cannot create one. So `make deploy` creates or
updates it before the stack, by a fixed name, and passes its ARN to the stack.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from oms.core import aws

REGION = "us-east-1"
SCOPE = "CLOUDFRONT"
# The setting's default. A test compares it with the stage's.
REQUESTS_IN_FIVE_MINUTES = 10_000
# The managed rule groups, with their rules that only count. These would answer 403 to valid requests: names, notes and
# filters are texts of any content, such as `../` or a script, the URL of a webhook is in a body, bodies have up to
# 256 KB, a query can exceed 2 KB, and a client may omit User-Agent. The API takes such texts as data.
# https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-baseline.html
GROUPS = {
    "AWSManagedRulesCommonRuleSet": (
        "NoUserAgent_HEADER",
        "SizeRestrictions_BODY",
        "SizeRestrictions_QUERYSTRING",
        "CrossSiteScripting_BODY",
        "CrossSiteScripting_QUERYARGUMENTS",
        "EC2MetaDataSSRF_BODY",
        "EC2MetaDataSSRF_QUERYARGUMENTS",
        "GenericLFI_BODY",
        "GenericLFI_QUERYARGUMENTS",
        "GenericRFI_BODY",
        "GenericRFI_QUERYARGUMENTS",
        "RestrictedExtensions_QUERYARGUMENTS",
    ),
    "AWSManagedRulesKnownBadInputsRuleSet": (
        "JavaDeserializationRCE_BODY",
        "JavaDeserializationRCE_QUERYSTRING",
        "Log4JRCE_BODY",
        "Log4JRCE_QUERYSTRING",
        "ReactJSRCE_BODY",
    ),
}
_TOO_MANY = {
    "type": "/docs/errors#too-many-requests",
    "title": "Too many requests",
    "status": 429,
    "detail": "Too many requests from this address. Wait for the seconds in Retry-After.",
    "code": "too-many-requests",
}


def name_of(stage: str, region: str) -> str:
    """Returns the name of the stage's web ACL. It is unique in the account, which may have the stage in two regions."""
    return f"oms-{stage}-{region}"


def ensure(stage: str, region: str, *, requests: int) -> str:
    """Creates the web ACL, or updates its rules, and returns its ARN.

    `requests` is the limit of one client address in five minutes.
    """
    wafv2, name = _client(), name_of(stage, region)
    content = _content(name, requests)
    found = _find(wafv2, name)
    if found is None:
        tags = [{"Key": "application", "Value": "oms"}, {"Key": "stage", "Value": stage}]
        created = wafv2.create_web_acl(Name=name, Scope=SCOPE, Tags=tags, **content)
        return str(created["Summary"]["ARN"])
    # A list's lock token may be old. This one fails the update only if someone else changes the ACL now.
    token = wafv2.get_web_acl(Name=name, Scope=SCOPE, Id=found["Id"])["LockToken"]
    wafv2.update_web_acl(Name=name, Scope=SCOPE, Id=found["Id"], LockToken=token, **content)
    return str(found["ARN"])


def delete(name: str) -> bool:
    """Deletes a web ACL that no distribution uses. Returns whether it existed."""
    wafv2 = _client()
    found = _find(wafv2, name)
    if found is None:
        return False
    token = wafv2.get_web_acl(Name=name, Scope=SCOPE, Id=found["Id"])["LockToken"]
    wafv2.delete_web_acl(Name=name, Scope=SCOPE, Id=found["Id"], LockToken=token)
    return True


def _client() -> Any:
    return aws.session().client("wafv2", region_name=REGION)


def _find(wafv2: Any, name: str) -> Any:
    return next((it for it in _listed(wafv2) if it["Name"] == name), None)


def _listed(wafv2: Any) -> Iterator[Any]:
    page: dict[str, Any] = {}
    while True:
        answer = wafv2.list_web_acls(Scope=SCOPE, Limit=100, **page)
        yield from answer["WebACLs"]
        if not answer.get("NextMarker"):
            return
        page = {"NextMarker": answer["NextMarker"]}


def _content(name: str, requests: int) -> dict[str, Any]:
    return {
        "Description": "The distribution of the order management system",
        "DefaultAction": {"Allow": {}},
        "Rules": [
            _rate_rule(0, requests),
            *(_managed_rule(number, name, counted) for number, (name, counted) in enumerate(GROUPS.items(), 1)),
        ],
        "CustomResponseBodies": {
            "TooMany": {"ContentType": "APPLICATION_JSON", "Content": json.dumps(_TOO_MANY)},
        },
        "VisibilityConfig": _visibility(name),
    }


def _rate_rule(priority: int, requests: int) -> dict[str, Any]:
    answer = {
        "ResponseCode": 429,
        "CustomResponseBodyKey": "TooMany",
        "ResponseHeaders": [{"Name": "Retry-After", "Value": "300"}],
    }
    return {
        "Name": "Rate",
        "Priority": priority,
        "Statement": {"RateBasedStatement": {"Limit": requests, "EvaluationWindowSec": 300, "AggregateKeyType": "IP"}},
        "Action": {"Block": {"CustomResponse": answer}},
        "VisibilityConfig": _visibility("Rate"),
    }


def _managed_rule(priority: int, name: str, counted: Iterable[str]) -> dict[str, Any]:
    overrides = [{"Name": rule, "ActionToUse": {"Count": {}}} for rule in counted]
    group = {"VendorName": "AWS", "Name": name, "RuleActionOverrides": overrides}
    return {
        "Name": name,
        "Priority": priority,
        "Statement": {"ManagedRuleGroupStatement": group},
        "OverrideAction": {"None": {}},
        "VisibilityConfig": _visibility(name),
    }


def _visibility(metric: str) -> dict[str, Any]:
    return {"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": True, "MetricName": metric}
