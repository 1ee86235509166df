"""Which function made which AWS call, as IAM would judge it: recorded while the suites run, read to be compared.

A file of records has one JSON object a line: first the settings of the process, then each different call once. The
names in it are those that the tests gave; `read_calls` finds, by the settings that hold them, the template's.
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

# Names that single tests make up, and the setting that holds the real one.
MADE_UP = (
    (r".*/check-[0-9A-Z]{20}", "OMS_STOCK_CHECK_QUEUE_URL"),
    (r".*/(poison-)?[0-9A-Z]{20}", "OMS_POISON_QUEUE_URL"),
    # Queues that the statistics watch: each stands for any of them.
    (r".*/[abc]-[0-9A-Z]{20}", "OMS_STOCK_CHECK_QUEUE_URL"),
    (r"shop@shop\.example", "OMS_MAIL_FROM"),
    (r"oms-test", "OMS_MAIL_CONFIGURATION_SET"),
    (r"oms/rotated/signing-keys", "OMS_SIGNING_KEYS_SECRET"),
    (r"/oms/rotated/jwks", "OMS_JWKS_PARAMETER"),
    (r"Oms-dev-[0-9A-Z]{20}-identity", "OMS_IDENTITY_TABLE"),
    (r"Oms-dev-[0-9A-Z]{20}-audit", "OMS_AUDIT_TABLE"),
)

type Parameters = Mapping[str, Any]
type Judged = tuple[str, str, list[tuple[str, str]]]
"""An action, what it is of (in the names of the tests), and the values of condition keys."""


def judged(service: str, operation: str, parameters: Parameters) -> list[Judged]:
    """What IAM is asked about a call. A name that the tests gave stands in braces: `{orders}/index/open`."""
    rule = _RULES.get(service)
    if rule is None:
        return [(f"{service}:{operation}", "*", [])]
    return list(rule(operation, parameters))


# ---- each service ---------------------------------------------------------------------------------------------------


def _dynamodb(operation: str, parameters: Parameters) -> Iterator[Judged]:
    """Transactions are judged by their single operations, batches once for each table."""
    if operation in ("TransactWriteItems", "TransactGetItems"):
        for item in parameters["TransactItems"]:
            ((kind, one),) = item.items()
            yield from _dynamodb(f"{kind}Item", one)
    elif operation == "BatchGetItem":
        for table, asked in parameters["RequestItems"].items():
            yield f"dynamodb:{operation}", f"{{{table}}}", [(KEY, _leading(key)) for key in asked["Keys"]]
    elif operation == "Query":
        index = f"/index/{parameters['IndexName']}" if "IndexName" in parameters else ""
        yield f"dynamodb:{operation}", f"{{{parameters['TableName']}}}{index}", [(KEY, _queried(parameters))]
    else:
        key = parameters.get("Key") or parameters.get("Item") or {}
        context = [(KEY, _leading(key))] if key else []
        if operation == "UpdateItem":
            # Those that an expression names; all of ours name them by placeholders.
            names = parameters.get("ExpressionAttributeNames", {}).values()
            context += [(ATTRIBUTE, name) for name in sorted({*names, *key})]
            context += [(RETURNED, parameters["ReturnValues"])] if "ReturnValues" in parameters else []
        yield f"dynamodb:{operation}", f"{{{parameters['TableName']}}}", context


def _leading(key: Mapping[str, Any]) -> str:
    return _kind_of(next(iter((key.get("pk") or key["id"]).values())))


def _queried(parameters: Parameters) -> str:
    """The partition: what the key condition holds to be equal."""
    equal = re.search(r"[#\w]+ = (:\w+)", parameters["KeyConditionExpression"])
    assert equal, parameters["KeyConditionExpression"]
    return _kind_of(next(iter(parameters["ExpressionAttributeValues"][equal[1]].values())))


def _kind_of(value: str) -> str:
    """Of a key the part that says what it is of: there are as many keys as orders."""
    kind, mark, rest = value.partition("#")
    if kind == "slot":  # of a policy
        kind = f"slot#{rest.partition('#')[0]}"
    return f"{kind}#…" if mark else value if re.fullmatch("[a-z_-]+", value) else "…"


def _sqs(operation: str, parameters: Parameters) -> Iterator[Judged]:
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


def _s3(operation: str, parameters: Parameters) -> Iterator[Judged]:
    folder, _, _ = str(parameters.get("Key", "")).rpartition("/")  # there are as many names as files
    key = f"/{folder}/…".replace("//", "/") if "Key" in parameters else ""
    yield f"s3:{_S3_ACTIONS.get(operation, operation)}", f"{{{parameters['Bucket']}}}{key}", []


def _secretsmanager(operation: str, parameters: Parameters) -> Iterator[Judged]:
    yield f"secretsmanager:{operation}", f"{{{parameters['SecretId']}}}", []


def _ssm(operation: str, parameters: Parameters) -> Iterator[Judged]:
    yield f"ssm:{operation}", f"{PARAMETER}{{{parameters['Name']}}}", []


def _events(operation: str, parameters: Parameters) -> Iterator[Judged]:
    for bus in {entry["EventBusName"] for entry in parameters["Entries"]}:
        yield f"events:{operation}", f"{{{bus}}}", []


def _scheduler(operation: str, parameters: Parameters) -> Iterator[Judged]:
    yield f"scheduler:{operation}", f"{SCHEDULE}{{{parameters['GroupName']}}}/{parameters['Name']}", []
    if "Target" in parameters:
        passed = ("iam:PassedToService", "scheduler.amazonaws.com")
        yield "iam:PassRole", f"{{{parameters['Target']['RoleArn']}}}", [passed]


def _sesv2(operation: str, parameters: Parameters) -> Iterator[Judged]:
    """SES asks for the sender's identity and for the configuration set."""
    sender = f"{{{parameters['FromEmailAddress']}}}"
    for resource in (f"identity/{sender}", f"configuration-set/{{{parameters['ConfigurationSetName']}}}"):
        yield f"ses:{operation}", SES + resource, [("ses:FromAddress", sender)]


_RULES: Mapping[str, Callable[[str, Parameters], Iterator[Judged]]] = {
    "dynamodb": _dynamodb,
    "sqs": _sqs,
    "s3": _s3,
    "secretsmanager": _secretsmanager,
    "ssm": _ssm,
    "events": _events,
    "scheduler": _scheduler,
    "sesv2": _sesv2,
}


# ---- files ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Names:
    """The template's names of what a function's settings name, by the setting, and by the name that tests give it."""

    of_settings: Mapping[str, str]
    of_tests: Mapping[str, str]


def write_calls(path: Path, settings: Mapping[str, str], calls: Iterable[Call]) -> None:
    """`settings`: the names that the tests gave, by the variable of a function's environment that would hold them."""
    lines = [{"settings": dict(settings)}, *(asdict(call) for call in sorted(calls))]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def read_calls(folder: Path, template: Template) -> set[Call]:
    """All calls of a folder's files, with the template's names; a name that no setting has stays in its braces."""
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
    """By function."""
    others = other_names(template)
    found = {}
    for function, properties in functions_of(template).items():
        variables = {it: rendered(value) for it, value in properties["Environment"]["Variables"].items()}
        of_settings = {it: others.get(value, value) for it, value in variables.items()}
        of_tests = {settings[it]: value for it, value in of_settings.items() if settings.get(it)}
        found[function] = Names(of_settings, of_tests)
    return found
