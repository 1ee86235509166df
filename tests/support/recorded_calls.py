"""The AWS calls of each function, as IAM evaluates them: recorded while the suites run, and read for a comparison.

A file has one JSON object a line: first the settings of the process, then each different call once. It has the tests'
names; `read_calls` replaces them, by the settings that have them, with the template's.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.support.policies import Call, Template, functions_of, other_names, rendered

PARAMETER = "arn:<AWS::Partition>:ssm:<AWS::Region>:<AWS::AccountId>:parameter"
SCHEDULE = "arn:<AWS::Partition>:scheduler:<AWS::Region>:<AWS::AccountId>:schedule/"
SES = "arn:<AWS::Partition>:ses:<AWS::Region>:<AWS::AccountId>:"
KEY = "dynamodb:LeadingKeys"
ATTRIBUTE = "dynamodb:Attributes"
RETURNED = "dynamodb:ReturnValues"

# Names of single tests, and the setting that has the real one.
MADE_UP = (
    (r".*/check-[0-9A-Z]{20}", "OMS_STOCK_CHECK_QUEUE_URL"),
    (r".*/(poison-)?[0-9A-Z]{20}", "OMS_POISON_QUEUE_URL"),
    # Queues of the statistics: each stands for any of them.
    (r".*/[abc]-[0-9A-Z]{20}", "OMS_STOCK_CHECK_QUEUE_URL"),
    (r"shop@shop\.example", "OMS_MAIL_FROM"),
    (r"oms-test", "OMS_MAIL_CONFIGURATION_SET"),
    (r"oms/rotated/signing-keys", "OMS_SIGNING_KEYS_SECRET"),
    (r"/oms/rotated/jwks", "OMS_JWKS_PARAMETER"),
    (r"Oms-dev-[0-9A-Z]{20}-identity", "OMS_IDENTITY_TABLE"),
    (r"Oms-dev-[0-9A-Z]{20}-audit", "OMS_AUDIT_TABLE"),
)

type Parameters = Mapping[str, Any]
type EvaluatedAction = tuple[str, str, list[tuple[str, str]]]
"""An action, its resource (in the names of the tests), and the values of condition keys."""


def evaluated_actions(service: str, operation: str, parameters: Parameters) -> list[EvaluatedAction]:
    """Returns the actions that IAM evaluates for a call. A name of the tests is in braces: `{orders}/index/open`."""
    rule = _RULES.get(service)
    if rule is None:
        return [(f"{service}:{operation}", "*", [])]
    return list(rule(operation, parameters))


# ---- each service ---------------------------------------------------------------------------------------------------


def _dynamodb(operation: str, parameters: Parameters) -> Iterator[EvaluatedAction]:
    """IAM evaluates the single operations of a transaction, and a batch once for each table."""
    if operation in ("TransactWriteItems", "TransactGetItems"):
        for item in parameters["TransactItems"]:
            ((kind, one),) = item.items()
            yield from _dynamodb(f"{kind}Item", one)
    elif operation == "BatchGetItem":
        for table, asked in parameters["RequestItems"].items():
            yield f"dynamodb:{operation}", f"{{{table}}}", [(KEY, _leading(key)) for key in asked["Keys"]]
    elif operation == "BatchWriteItem":
        for table, requests in parameters["RequestItems"].items():
            changed = [one.get("Key") or one["Item"] for request in requests for one in request.values()]
            yield f"dynamodb:{operation}", f"{{{table}}}", [(KEY, _leading(key)) for key in changed]
    elif operation == "Query":
        index = f"/index/{parameters['IndexName']}" if "IndexName" in parameters else ""
        yield f"dynamodb:{operation}", f"{{{parameters['TableName']}}}{index}", [(KEY, _queried(parameters))]
    else:
        key = parameters.get("Key") or parameters.get("Item") or {}
        context = [(KEY, _leading(key))] if key else []
        if operation == "UpdateItem":
            # The attributes in expressions; all expressions of the code use placeholders.
            names = parameters.get("ExpressionAttributeNames", {}).values()
            context += [(ATTRIBUTE, name) for name in sorted({*names, *key})]
            context += [(RETURNED, parameters["ReturnValues"])] if "ReturnValues" in parameters else []
        yield f"dynamodb:{operation}", f"{{{parameters['TableName']}}}", context


def _leading(key: Mapping[str, Any]) -> str:
    return _kind_of(next(iter((key.get("pk") or key["id"]).values())))


def _queried(parameters: Parameters) -> str:
    """Returns the partition: the value with = in the key condition."""
    equal = re.search(r"[#\w]+ = (:\w+)", parameters["KeyConditionExpression"])
    assert equal, parameters["KeyConditionExpression"]
    return _kind_of(next(iter(parameters["ExpressionAttributeValues"][equal[1]].values())))


def _kind_of(value: str) -> str:
    """Returns the part of a key that names its kind, as there are as many keys as orders."""
    kind, mark, rest = value.partition("#")
    if kind == "slot":  # of a policy
        kind = f"slot#{rest.partition('#')[0]}"
    return f"{kind}#…" if mark else value if re.fullmatch("[a-z_-]+", value) else "…"


def _sqs(operation: str, parameters: Parameters) -> Iterator[EvaluatedAction]:
    yield f"sqs:{operation.removesuffix('Batch')}", f"{{{parameters['QueueUrl']}}}", []


_S3_ACTIONS = {
    "HeadObject": "GetObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListObjectsV2": "ListBucket",
    "HeadBucket": "ListBucket",
}


def _s3(operation: str, parameters: Parameters) -> Iterator[EvaluatedAction]:
    folder, _, _ = str(parameters.get("Key", "")).rpartition("/")  # there are as many names as files
    key = f"/{folder}/…".replace("//", "/") if "Key" in parameters else ""
    yield f"s3:{_S3_ACTIONS.get(operation, operation)}", f"{{{parameters['Bucket']}}}{key}", []


def _secretsmanager(operation: str, parameters: Parameters) -> Iterator[EvaluatedAction]:
    yield f"secretsmanager:{operation}", f"{{{parameters['SecretId']}}}", []


def _ssm(operation: str, parameters: Parameters) -> Iterator[EvaluatedAction]:
    yield f"ssm:{operation}", f"{PARAMETER}{{{parameters['Name']}}}", []


def _events(operation: str, parameters: Parameters) -> Iterator[EvaluatedAction]:
    for bus in {entry["EventBusName"] for entry in parameters["Entries"]}:
        yield f"events:{operation}", f"{{{bus}}}", []


def _scheduler(operation: str, parameters: Parameters) -> Iterator[EvaluatedAction]:
    yield f"scheduler:{operation}", f"{SCHEDULE}{{{parameters['GroupName']}}}/{parameters['Name']}", []
    if "Target" in parameters:
        passed = ("iam:PassedToService", "scheduler.amazonaws.com")
        yield "iam:PassRole", f"{{{parameters['Target']['RoleArn']}}}", [passed]


def _logs(operation: str, parameters: Parameters) -> Iterator[EvaluatedAction]:
    yield f"logs:{operation}", f"{{{parameters['logGroupName']}}}", []


def _sesv2(operation: str, parameters: Parameters) -> Iterator[EvaluatedAction]:
    """SES evaluates the sender's identity and the configuration set."""
    sender = f"{{{parameters['FromEmailAddress']}}}"
    for resource in (f"identity/{sender}", f"configuration-set/{{{parameters['ConfigurationSetName']}}}"):
        yield f"ses:{operation}", SES + resource, [("ses:FromAddress", sender)]


_RULES: Mapping[str, Callable[[str, Parameters], Iterator[EvaluatedAction]]] = {
    "dynamodb": _dynamodb,
    "sqs": _sqs,
    "s3": _s3,
    "secretsmanager": _secretsmanager,
    "ssm": _ssm,
    "events": _events,
    "scheduler": _scheduler,
    "logs": _logs,
    "sesv2": _sesv2,
}


# ---- files ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Names:
    """The template's names of the resources in a function's settings, by the setting and by the tests' name."""

    of_settings: Mapping[str, str]
    of_tests: Mapping[str, str]


def write_calls(path: Path, settings: Mapping[str, str], calls: Iterable[Call]) -> None:
    """`settings`: the tests' names, by the variable of a function's environment that would have them."""
    lines = [{"settings": dict(settings)}, *(asdict(call) for call in sorted(calls))]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def read_calls(folder: Path, template: Template) -> set[Call]:
    """Returns all calls of a folder's files, with the template's names; a name that no setting has keeps its braces."""
    files = sorted(folder.glob("*.jsonl"))
    if not files:
        raise SystemExit(f"Nothing was recorded in {folder}.")
    return {call for file in files for call in _read(file.read_text().splitlines(), template)}


def _read(lines: Sequence[str], template: Template) -> Iterator[Call]:
    names = _names(json.loads(lines[0])["settings"], template)

    def translated(function: str, text: str) -> str:
        return re.sub(r"\{(.*?)\}", lambda found: _real(found[1], names[function]) or found[0], text)

    for line in lines[1:]:
        read = json.loads(line)
        function = read["function"]
        context = tuple((key, translated(function, value)) for key, value in read["context"])
        yield Call(function, read["action"], translated(function, read["resource"]), context)


def _real(name: str, names: Names) -> str | None:
    return names.of_tests.get(name) or next(
        (names.of_settings.get(setting) for pattern, setting in MADE_UP if re.fullmatch(pattern, name)), None
    )


def _names(settings: Mapping[str, str], template: Template) -> dict[str, Names]:
    """Returns the names by function."""
    others = other_names(template)
    found = {}
    for function, properties in functions_of(template).items():
        variables = {it: rendered(value) for it, value in properties["Environment"]["Variables"].items()}
        # Lambda itself sets its variable.
        variables["OMS_REQUEST_LOG_GROUP"] = rendered(properties["LoggingConfig"]["LogGroup"])
        of_settings = {it: others.get(value, value) for it, value in variables.items()}
        of_tests = {settings[it]: value for it, value in of_settings.items() if settings.get(it)}
        found[function] = Names(of_settings, of_tests)
    return found
