"""An audit log with its sealer and verifier, called by hand, and every kind of tampering with it."""

import copy
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends

from oms.audit import audit_log as audit
from oms.audit import macs
from oms.audit.findings import AuditFinding
from oms.audit.models import ChainHead
from oms.audit.verification import Verification
from oms.core import clock
from oms.core.settings import settings
from sealer import handler as sealer
from tests.support.aws_client import aws_client
from tests.support.database import table
from tests.support.invocation import Context
from tests.support.ledger_shop import raw_item
from tests.support.streams import Record, items_of, record

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)

type Key = tuple[str, str]


class Log:
    """Its time is `now`."""

    def __init__(self) -> None:
        self.now = NOON
        self._delivered: dict[Key, dict[str, Any]] = {}

    def advance(self, **time: float) -> None:
        self.now += timedelta(**time)

    @property
    def today(self) -> str:
        return self.now.date().isoformat()

    def snapshot(self) -> Any:
        return copy.deepcopy((self.now, self._delivered, table("audit").items(), dict(_bucket().keys.lists())))

    def restore(self, snapshot: Any) -> None:
        self.now, self._delivered, items, objects = copy.deepcopy(snapshot)
        table("audit").clear()
        for item in items:
            table("audit").put(item)
        _bucket().keys.clear()
        for name, versions in objects.items():
            _bucket().keys.setlist(name, versions)

    # ---- what requests and the sealer do ----------------------------------------------------------------------------

    def write(self, number: int = 1, *, action: str = "login", actor_id: str | None = "ada", **about: Any) -> list[Key]:
        """Writes this number of entries, a millisecond apart; returns their keys."""
        keys = []
        for _ in range(number):
            entry = audit.entry(action, actor_id=actor_id, address="198.51.100.1", target="session#1", **about)
            audit.record(entry)
            keys.append((entry.pk, entry.sk))
            self.advance(milliseconds=1)
        return keys

    def deny(self, times: int, actor_id: str = "mallory") -> Key:
        """Returns the key of the counter."""
        actor: Any = SimpleNamespace(id=actor_id, role="customer")
        for _ in range(times):
            audit.record_denial(actor, address="198.51.100.1", target="GET /api/v1/admin/users")
        minute = clock.timestamp(self.now.replace(second=0, microsecond=0))
        return f"day#{self.today}", f"{minute}#denials#{actor_id}"

    def news(self) -> list[Record]:
        """Returns the undelivered records of the stream: one for each changed item, in the order of their keys."""
        was, self._delivered = self._delivered, items_of("audit")
        now = self._delivered
        changed = sorted(key for key in was | now if was.get(key) != now.get(key))
        return [record(was.get(key), now.get(key), of="audit") for key in changed]

    def seal(self, records: Sequence[Record] | None = None) -> None:
        """The stream delivers these records, or what it has not yet, as one batch."""
        sealer.lambda_handler({"Records": list(self.news() if records is None else records)}, Context())

    def hourly(self, hours: int = 2) -> None:
        sealer.lambda_handler({"hours": hours}, Context())

    # ---- what is there ----------------------------------------------------------------------------------------------

    def verify(self, first: str = "", last: str = "") -> list[AuditFinding]:
        return list(self.verification(first, last).run())

    @staticmethod
    def verification(first: str = "", last: str = "") -> Verification:
        return Verification(keys=keys(), bucket=settings().audit_bucket, first=first, last=last)

    def found(self, first: str = "", last: str = "") -> list[tuple[str, str]]:
        """Returns the code and the place of each finding."""
        return sorted((finding.code, finding.place) for finding in self.verify(first, last))

    @staticmethod
    def stored(kind: str) -> list[dict[str, Any]]:
        """Returns the raw items of a kind, by their keys."""
        items = table("audit").items()
        return sorted((it for it in items if it["kind"]["S"] == kind), key=lambda it: (it["pk"]["S"], it["sk"]["S"]))

    def links(self, chain: str) -> list[dict[str, Any]]:
        """Of a chain, by position."""
        found = [it for it in self.stored("link") if it["chain"]["S"] == chain]
        return sorted(found, key=lambda it: int(it["position"]["N"]))

    def heads(self) -> dict[str, int]:
        """Returns the position of the last link of each chain; 0 if the item is not a head."""
        return {it["sk"]["S"]: int(it.get("position", {"N": "0"})["N"]) for it in self.stored("head")}

    @staticmethod
    def objects() -> dict[str, Any]:
        """Returns the latest version of each object, by its name."""
        s3, bucket = aws_client("s3"), settings().audit_bucket
        names = [it["Key"] for it in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
        return {name: json.loads(s3.get_object(Bucket=bucket, Key=name)["Body"].read()) for name in names}

    @staticmethod
    def versions() -> int:
        """Returns the number of versions of objects in the bucket."""
        return len(aws_client("s3").list_object_versions(Bucket=settings().audit_bucket)["Versions"])

    # ---- an attacker who may write everything, and has no key -------------------------------------------------------

    @staticmethod
    def change(key: Key, /, **attributes: str | int | None) -> None:
        kinds: dict[str, Any] = {
            name: {"NULL": True} if value is None else {"N": str(value)} if isinstance(value, int) else {"S": value}
            for name, value in attributes.items()
        }
        table("audit").put(raw_item("audit", *key) | kinds)

    @staticmethod
    def remove(*taken: Key) -> None:
        for pk, sk in taken:
            aws_client("dynamodb").delete_item(TableName="audit", Key={"pk": {"S": pk}, "sk": {"S": sk}})

    @staticmethod
    def put_object(name: str, content: bytes) -> None:
        aws_client("s3").put_object(Bucket=settings().audit_bucket, Key=name, Body=content)

    @staticmethod
    def lose_object(name: str) -> None:
        """Deletes it in moto's memory, since the object lock prevents it elsewhere."""
        _bucket().keys.pop(name)


def _bucket() -> Any:
    return s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets[settings().audit_bucket]


def keys() -> macs.SealKeys:
    return macs.load_seal_keys(settings().audit_keys_secret)


def link_of(entry: Key) -> Key:
    return entry[0].replace("day#", "links#"), entry[1]


def head_of(chain: str) -> Key:
    return ChainHead.key_of(chain)


def entries_and_links(log: Log) -> tuple[list[Any], list[Any]]:
    """Returns the keys of both, as those of links."""
    entries = [link_of((it["pk"]["S"], it["sk"]["S"])) for it in log.stored("entry")]
    return sorted(entries), sorted((it["pk"]["S"], it["sk"]["S"]) for it in log.stored("link"))


def assert_sealed(log: Log) -> None:
    entries, links = entries_and_links(log)
    assert entries == links, "each entry has one link, and there are no others"
    assert sum(log.heads().values()) == len(links)
    assert log.verify() == []
