"""Least privilege: compares the recorded calls of the suites with the policies of the template, in both directions.

`python -m tests.support.privileges FOLDER` prints what each function used of its grants. It fails for a call that no
policy allows, for a grant that no call used and that has no reason below, and for a reason that no grant needs.
"""

import argparse
import re
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from tests.support.policies import Call, Grant, Statement, not_allowed, statements_of, unused
from tests.support.recorded_calls import read_calls
from tests.support.template import FULL_SETTINGS, synthesize

type Exceptions = Mapping[tuple[str, str, str], str]
"""(function, action, resource), each with wildcards → why the grant stays though no test uses it."""

_BY_LAMBDA = "Lambda itself does it, with the function's role: "
UNUSED: Exceptions = {
    ("*", "logs:*", "*"): _BY_LAMBDA + "it writes the log.",
    ("*", "xray:*", "*"): _BY_LAMBDA + "it writes the traces.",
    ("*", "sqs:ReceiveMessage", "*"): _BY_LAMBDA + "it reads the function's queue.",
    ("*", "sqs:DeleteMessage", "*"): _BY_LAMBDA + "it reads the function's queue.",
    ("*", "sqs:ChangeMessageVisibility", "*"): _BY_LAMBDA + "it reads the function's queue.",
    ("*", "sqs:GetQueueUrl", "*"): _BY_LAMBDA + "CDK grants it with the reading of a queue.",
    ("*", "sqs:GetQueueAttributes", "*"): _BY_LAMBDA + "CDK grants it with the reading of a queue. And Admin asks for "
    "the depth of every queue of OMS_QUEUES, of which the tests name three.",
    ("*", "dynamodb:DescribeStream", "*/stream"): _BY_LAMBDA + "it reads the stream.",
    ("*", "dynamodb:GetRecords", "*/stream"): _BY_LAMBDA + "it reads the stream.",
    ("*", "dynamodb:GetShardIterator", "*/stream"): _BY_LAMBDA + "it reads the stream.",
    ("*", "dynamodb:ListStreams", "*/stream"): _BY_LAMBDA + "it reads the stream.",
    ("Sealer", "sqs:SendMessage", "AuditSealerPoison"): "For a record that the sealer cannot decode: no test has one.",
    ("Exporter", "s3:ListBucket", "ExportsFiles"): "Without it S3 answers 403, not 404, for a file that is not there.",
    (
        "Importer",
        "dynamodb:GetItem",
        "DataInventory",
    ): "An order reads the snapshot of a product's shards when they run out. The tests show it for Orders.",
    ("Reports", "s3:GetObject", "ExportsFiles/*"): "A signed link has the rights of the function that signed it.",
    ("Reports", "s3:PutObject", "ImportsFiles/*"): "A signed upload has the rights of the function that signed it.",
    ("Reports", "s3:ListBucket", "ImportsFiles"): "Without it S3 answers 403, not 404, for a file that is not there.",
    (
        "Notifier",
        "ses:SendEmail",
        "identity/*",
    ): "SES checks the address or a parent domain, depending on which is verified.",
}


@dataclass(frozen=True)
class Review:
    """`table`: the grants that each function used. `faults`: one sentence each."""

    table: list[str]
    faults: list[str]


def review(statements: Sequence[Statement], calls: Iterable[Call], exceptions: Exceptions = UNUSED) -> Review:
    made = set(calls)
    idle = unused(statements, made)
    needed = {key for key in exceptions for grant in idle if _is_of(grant, key)}
    faults = [
        f"not granted: {call.function} {call.action} on {_plain(call.resource)}{_context(call)}"
        for call in not_allowed(statements, made)
    ]
    faults += [
        f"granted and never used: {grant.function} {grant.action} on {_plain(grant.resource)}"
        for grant in idle
        if not any(_is_of(grant, key) for key in exceptions)
    ]
    faults += [
        f"a reason for a grant that is not there, or is used: {' '.join(key[:2])} on {key[2]}"
        for key in exceptions
        if key not in needed
    ]
    return Review(_table(statements, idle, exceptions), faults)


def _is_of(grant: Grant, key: tuple[str, str, str]) -> bool:
    names = (grant.function, grant.action, _plain(grant.resource))
    return all(fnmatchcase(name, pattern) for name, pattern in zip(names, key, strict=True))


def _plain(resource: str) -> str:
    """Returns the name without CDK's eight digits, and of an ARN the part after region and account."""
    named = re.sub(r"<(\w+?)[0-9A-F]{8}>", r"\1", resource)
    return re.sub(r"arn:<AWS::Partition>:\w+:<AWS::Region>:<AWS::AccountId>:", "", named)


def _context(call: Call) -> str:
    return "".join(f" with {key}={value}" for key, value in call.context)


def _table(statements: Sequence[Statement], idle: Sequence[Grant], exceptions: Exceptions) -> list[str]:
    """Returns a line for each function and resource: the used actions, then in brackets those with a reason."""
    unneeded = set(idle)
    actions: dict[tuple[str, str], set[str]] = {}
    for grant in {grant for statement in statements for grant in statement.grants()}:
        service, _, action = grant.action.partition(":")
        reasoned = any(_is_of(grant, key) for key in exceptions)
        shown = action if grant not in unneeded else f"[{action}]" if reasoned else f"!{action}"
        actions.setdefault((grant.function, f"{service} {_plain(grant.resource)}"), set()).add(shown)
    return [
        f"{function:<11} {resource:<44} {' '.join(sorted(shown, key=lambda it: (it[0] in '[!', it)))}"
        for (function, resource), shown in sorted(actions.items())
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="Compares recorded AWS calls with the grants of the template.")
    parser.add_argument("folder", type=Path, help="where the suites have written what they recorded")
    folder: Path = parser.parse_args().folder
    with tempfile.TemporaryDirectory() as out:
        template = synthesize(Path(out), "prod", FULL_SETTINGS).template
    calls = read_calls(folder, template)
    found = review(statements_of(template), calls)
    print("\n".join(found.table))
    print(f"{len(calls)} different calls. [In brackets]: no test uses it; why it stays: tests/support/privileges.py")
    sys.exit("\n".join(found.faults) if found.faults else 0)


if __name__ == "__main__":
    main()
