"""Copies a table that DynamoDB restored back into the stage's own table: `python -m oms.commands.restore`.

Point-in-time recovery restores into a new table. The stack keeps the old one, with its name and its stream, so the
command copies the differing items back. By default it writes nothing and prints the differences, as a plan.

Each write is conditional on the item's state when it was compared, so no concurrent change is lost. Repeat an
interrupted run: it finds the remaining differences.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import batched
from pathlib import Path
from typing import Any, Literal

from botocore.exceptions import ClientError

from oms.commands import stacks
from oms.commands.closed_pipe import run_until_unread
from oms.core import clock
from oms.core.dynamodb import ConcurrentUpdateError, client, retrying
from oms.events.streams import REMOVED, RESTORED

type RawItem = dict[str, Any]
type Key = tuple[str, ...]
type How = Literal["missing", "changed", "new"]
"""In the restored table alone; in both, with differences; in the stage's table alone."""

_AT_ONCE = 100
_PROGRESS_EVERY = 10_000


@dataclass(frozen=True)
class RestoreRule:
    """The items and attributes of a table that are copied back.

    `kinds`: of items; empty: all. `adds_only`: no item is changed or removed. `announced`: kinds whose changes the
    stream's consumers would publish, so each write carries a mark that stops them; None: all. `live`: attributes that
    keep their current value. `dropped`: attributes that are removed. `raised`: numbers that are set above both values.
    `last`: the kind that is put after all others.
    """

    kinds: frozenset[str] = frozenset()
    adds_only: bool = False
    announced: frozenset[str] | None = frozenset()
    live: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    raised: tuple[str, ...] = ()
    last: str | None = None


RULES: Mapping[str, RestoreRule] = {
    "Orders": RestoreRule(announced=None),
    "Inventory": RestoreRule(announced=frozenset({"product", "stock"})),
    # Sessions, attempts, tokens and mails expire. An old session must not become valid: so the epoch that ends sessions
    # is raised. The number of open orders follows from the orders.
    "Identity": RestoreRule(
        kinds=frozenset({"user", "admins", "claim"}),
        announced=frozenset({"user"}),
        live=("open_orders",),
        raised=("auth_epoch", "devices_epoch", "locks_epoch"),
    ),
    # A delivery that was pending then may be delivered by now, and would be sent again. So deliveries and replays are
    # not copied. The results of attempts are dropped, as on an edit: an old failure would disable a webhook at once.
    "Webhooks": RestoreRule(
        kinds=frozenset({"subscription", "count"}),
        announced=frozenset({"subscription"}),
        dropped=("failing_since", "pace", "probed_until"),
    ),
    # `make rebuild-reports` computes sums again from orders, stock and users. Exports are not copied: no worker would
    # continue one that is running again, and one that is done again would be announced again. The scheduler processes a
    # schedule that is added or removed; an existing one keeps `covered_until`, so that no day is reported twice.
    "Reports": RestoreRule(kinds=frozenset({"schedule", "schedule-count"}), live=("covered_until",)),
    # Readers of the feed have cursors, and the audit log is sealed: both only grow.
    "Events": RestoreRule(adds_only=True),
    "Audit": RestoreRule(adds_only=True, last="entry"),
}


class NotRestoredError(Exception):
    """The restore cannot be done; the message says why."""


@dataclass(frozen=True)
class ItemDifference:
    """An item that differs between the tables. `now` is the stage's, `then` the restored one."""

    how: How
    key: Key
    now: RawItem | None = field(repr=False)
    then: RawItem | None = field(repr=False)

    def line(self) -> str:
        """The line of the plan. It names the attributes that differ, without their values."""
        now, then = self.now or {}, self.then or {}
        names = sorted(name for name in now.keys() | then.keys() if now.get(name) != then.get(name))
        return f"{self.how} {json.dumps(self.key)}" + (f" {' '.join(names)}" if self.how == "changed" else "")


@dataclass
class Tally:
    """The counts of a run. `moved`: items that changed after they were compared, and so were not written."""

    progress: Callable[[str], None] = lambda _: None
    compared: int = 0
    found: dict[How, int] = field(default_factory=lambda: {"missing": 0, "changed": 0, "new": 0})
    moved: int = 0

    def add(self, difference: ItemDifference | None) -> None:
        self.compared += 1
        if difference:
            self.found[difference.how] += 1
        if self.compared % _PROGRESS_EVERY == 0:
            self.progress(self.text())

    def text(self) -> str:
        return ", ".join([f"{self.compared:,} items compared", *(f"{n:,} {how}" for how, n in self.found.items())])


class Restore:
    """Copies from the table `source` into the stage's table `target`."""

    def __init__(self, source: str, target: str, rule: RestoreRule, *, mark: str) -> None:
        self._source, self._target, self._rule, self._mark = source, target, rule, mark
        self._names = key_names(target)
        if source == target:
            raise NotRestoredError("FROM_TABLE is the stage's own table: name the one that DynamoDB restored.")
        if key_names(source) != self._names:
            raise NotRestoredError(f"{source} has other keys than {target}: it belongs to a different domain.")

    # ---- what differs -----------------------------------------------------------------------------------------------

    def differences(self, tally: Tally) -> Iterator[ItemDifference]:
        """The differences of all items of both tables, read page by page."""
        for is_last in (False, True) if self._rule.last else (False,):
            for key, now, then in self._pairs(self._scanned(self._source)):
                if then and (kind_of(then) == self._rule.last) == is_last:
                    yield from self._compared(key, now, then, tally)
        if not self._rule.adds_only:
            for key, now, then in self._pairs(self._scanned(self._target)):
                if then is None:
                    yield from self._compared(key, now, then, tally)

    def differences_of(self, keys: Iterable[Key], tally: Tally) -> Iterator[ItemDifference]:
        """The differences of these items."""
        for key, now, then in self._pairs(keys):
            yield from self._compared(key, now, then, tally)

    def _compared(self, key: Key, now: RawItem | None, then: RawItem | None, tally: Tally) -> Iterator[ItemDifference]:
        difference = self._difference(key, now, then)
        tally.add(difference)
        if difference:
            yield difference

    def _difference(self, key: Key, now: RawItem | None, then: RawItem | None) -> ItemDifference | None:
        rule = self._rule
        kind = kind_of(then or now or {})
        if (rule.kinds and kind not in rule.kinds) or (then and _has_ended(then)):
            return None
        if then and now:
            ignored = {RESTORED, *rule.live, *rule.dropped, *rule.raised}
            same = _without(now, ignored) == _without(then, ignored)
            return None if same or rule.adds_only else ItemDifference("changed", key, now, then)
        if then:
            return ItemDifference("missing", key, None, then)
        return ItemDifference("new", key, now, None) if now and not rule.adds_only else None

    def _pairs(self, keys: Iterable[Key]) -> Iterator[tuple[Key, RawItem | None, RawItem | None]]:
        for some in batched(keys, _AT_ONCE, strict=False):
            now, then = self._read(self._target, some), self._read(self._source, some)
            yield from ((key, now.get(key), then.get(key)) for key in some)

    def _scanned(self, table: str) -> Iterator[Key]:
        names = {f"#{number}": name for number, name in enumerate(self._names)}
        scan: dict[str, Any] = {
            "TableName": table,
            "ConsistentRead": True,
            "ProjectionExpression": ", ".join(names),
            "ExpressionAttributeNames": names,
        }
        while True:
            answer = retrying(partial(client().scan, **scan))
            yield from (self._key(item) for item in answer["Items"])
            if "LastEvaluatedKey" not in answer:
                return
            scan["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def _read(self, table: str, keys: Sequence[Key]) -> dict[Key, RawItem]:
        found: dict[Key, RawItem] = {}
        pending = [self._raw(key) for key in keys]

        def read() -> None:
            nonlocal pending
            asked = {table: {"Keys": pending, "ConsistentRead": True}}
            answer = client().batch_get_item(RequestItems=asked)
            found.update((self._key(item), item) for item in answer["Responses"].get(table, []))
            pending = answer.get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])
            if pending:
                raise ConcurrentUpdateError

        retrying(read)
        return found

    def _key(self, item: RawItem) -> Key:
        return tuple(str(item[name]["S"]) for name in self._names)

    def _raw(self, key: Key) -> RawItem:
        return {name: {"S": value} for name, value in zip(self._names, key, strict=True)}

    # ---- writing ----------------------------------------------------------------------------------------------------

    def apply(self, difference: ItemDifference) -> bool:
        """Copies an item back. Returns False, and writes nothing, if the item changed after it was compared."""
        if difference.then:
            return self._put(difference)
        return self._remove(difference)

    def _put(self, difference: ItemDifference) -> bool:
        item = _without(difference.then or {}, set(self._rule.dropped))
        now = difference.now or {}
        for name in self._rule.live:
            item |= {name: now[name]} if name in now else {}
        for name in self._rule.raised if now else ():
            item[name] = {"N": str(1 + max(int(it[name]["N"]) if name in it else 0 for it in (now, item)))}
        if self._is_announced(item):
            item[RESTORED] = {"S": self._mark}
        write = {"TableName": self._target, "Item": item, **_unchanged(now, names=item.keys())}
        return _write_if_unchanged(partial(client().put_item, **write))

    def _remove(self, difference: ItemDifference) -> bool:
        """Removes an item. An announced item is marked first, since the record of a removal has only the old image."""
        now = difference.now or {}
        where = {"TableName": self._target, "Key": self._raw(difference.key)}
        condition = _unchanged(now)
        if self._is_announced(now):
            removed = {"S": f"{self._mark}{REMOVED}"}
            names = condition["ExpressionAttributeNames"] | {"#restored": RESTORED}
            values = condition["ExpressionAttributeValues"] | {":restored": removed}
            update = condition | {"ExpressionAttributeNames": names, "ExpressionAttributeValues": values}
            marked = partial(client().update_item, **where, **update, UpdateExpression="SET #restored = :restored")
            if not _write_if_unchanged(marked):
                return False
            condition = _unchanged(now | {RESTORED: removed})
        return _write_if_unchanged(partial(client().delete_item, **where, **condition))

    def _is_announced(self, item: RawItem) -> bool:
        announced = self._rule.announced
        return announced is None or kind_of(item) in announced


def key_names(table: str) -> list[str]:
    """The names of the table's key attributes. Raises NotRestoredError if the table does not exist."""
    try:
        schema = client().describe_table(TableName=table)["Table"]["KeySchema"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        raise NotRestoredError(f"There is no table {table}.") from error
    return [str(it["AttributeName"]) for it in sorted(schema, key=lambda it: str(it["KeyType"]))]


def kind_of(item: Mapping[str, Any]) -> str:
    """The discriminator of an item; empty for orders."""
    return str(item.get("kind", {}).get("S", ""))


def _has_ended(item: RawItem) -> bool:
    """Whether the item's time to live is over, so that DynamoDB has deleted it or will."""
    return "ttl" in item and int(item["ttl"]["N"]) < clock.now().timestamp()


def _without(item: RawItem, names: set[str]) -> RawItem:
    return {name: value for name, value in item.items() if name not in names}


def _unchanged(now: RawItem, *, names: Iterable[str] = ()) -> dict[str, Any]:
    """The condition that an item equals `now` and has no attribute of the other `names`. {}: it does not exist."""
    known = list(dict.fromkeys([*now, *names]))
    parts = [
        f"#{number} = :{number}" if name in now else f"attribute_not_exists(#{number})"
        for number, name in enumerate(known)
    ]
    values = {f":{number}": now[name] for number, name in enumerate(known) if name in now}
    return {
        "ConditionExpression": " AND ".join(parts),
        "ExpressionAttributeNames": {f"#{number}": name for number, name in enumerate(known)},
        **({"ExpressionAttributeValues": values} if values else {}),
    }


def _write_if_unchanged(write: Callable[[], object]) -> bool:
    """Makes a conditional write; returns whether its condition held.

    A retry of a write whose response was lost returns False; the next run then finds no difference.
    """
    try:
        retrying(write)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        return False
    return True


# ---- the command ----------------------------------------------------------------------------------------------------


def restore(
    domain: str,
    source: str,
    target: str,
    *,
    plan: Sequence[Key] | None,
    apply: bool,
    say: Callable[[str], None],
    progress: Callable[[str], None] = lambda _: None,
) -> Tally:
    """Reports the differences, and copies them back if `apply`. With a plan, only those of its items."""
    copy = Restore(source, target, RULES[domain], mark=clock.timestamp(clock.now()))
    tally = Tally(progress)
    found = copy.differences(tally) if plan is None else copy.differences_of(plan, tally)
    for difference in found:
        moved = apply and not copy.apply(difference)
        tally.moved += moved
        say(difference.line() + (" # changed meanwhile, not written" if moved else ""))
    progress(tally.text())
    return tally


def read_plan(path: Path) -> list[Key]:
    """The keys of a printed plan, from which lines may be removed. Raises NotRestoredError."""
    keys: list[Key] = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        how, _, rest = line.partition(" ")
        try:
            key, _ = json.JSONDecoder().raw_decode(rest)
            texts = isinstance(key, list) and key and all(isinstance(it, str) for it in key)
            if how not in ("missing", "changed", "new") or not texts:
                raise ValueError  # noqa: TRY301 - one message for each error in a line
        except (ValueError, TypeError) as error:
            raise NotRestoredError(f"Line {number} of {path} is not a line of a plan.") from error
        keys.append(tuple(key))
    return keys


def main() -> None:
    parser = stacks.stage_parser("Copies a restored table back into the stage's own table.", stages=stacks.ALL_STAGES)
    parser.add_argument("--domain", required=True, choices=tuple(RULES))
    parser.add_argument("--from-table", required=True, help="the table that DynamoDB restored")
    parser.add_argument(
        "--plan", type=Path, help="a file with lines that this command has printed; copy only these items"
    )
    parser.add_argument("--apply", action="store_true", help="write; otherwise the differences are only printed")
    arguments = parser.parse_args()
    with stacks.acting_on(arguments.stage):
        try:
            plan = read_plan(arguments.plan) if arguments.plan else None
        except (NotRestoredError, OSError) as error:
            raise SystemExit(str(error)) from error
        try:
            tally = restore(
                arguments.domain,
                arguments.from_table,
                stacks.table_of(arguments.stage, arguments.domain),
                plan=plan,
                apply=arguments.apply,
                say=print,
                progress=partial(print, file=sys.stderr),
            )
        except NotRestoredError as error:
            raise SystemExit(str(error)) from error
    if tally.moved:
        raise SystemExit(f"{tally.moved} items changed meanwhile and were not written: run it again.")
    if not arguments.apply and any(tally.found.values()):
        print("Nothing was written. APPLY=1 copies this back.", file=sys.stderr)


if __name__ == "__main__":
    run_until_unread(main)
