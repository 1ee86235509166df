"""Copies a table that DynamoDB restored back into the stage's own table: `python -m oms.commands.restore`.

Point-in-time recovery restores into a new table. The stack goes on with the old one, its name and its stream, so what
differs is copied back, item by item. By default nothing is written: the differences are printed, as a plan.

Each write is on condition that the item is as it was when it was compared, so nothing that happens meanwhile is lost.
A run that is cut off is started again: it finds what is left to do.
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
"""Not in the stage's table any more; otherwise in it; not in the restored one yet."""

_AT_ONCE = 100
_PROGRESS_EVERY = 10_000


@dataclass(frozen=True)
class Rule:
    """What of a table is copied back, and how.

    `kinds`: of items; none: all. `adds_only`: nothing is changed or removed. `announced`: kinds of which a change is
    news to the consumers of the stream, and which therefore carry a mark that it is not; None: all.
    `live`: attributes that keep their present value. `dropped`: attributes that are not put back, nor kept.
    `raised`: numbers that rise above both values instead.
    `last`: the kind that is put after all others.
    """

    kinds: frozenset[str] = frozenset()
    adds_only: bool = False
    announced: frozenset[str] | None = frozenset()
    live: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    raised: tuple[str, ...] = ()
    last: str | None = None


RULES: Mapping[str, Rule] = {
    "Orders": Rule(announced=None),
    "Inventory": Rule(announced=frozenset({"product", "stock"})),
    # Sessions, attempts, tokens and mails end by themselves, and an old session must not come to life: so the epoch
    # that ends them rises. How many orders are open follows from the orders.
    "Identity": Rule(
        kinds=frozenset({"user", "admins", "claim"}),
        announced=frozenset({"user"}),
        live=("open_orders",),
        raised=("auth_epoch", "devices_epoch", "locks_epoch"),
    ),
    # A delivery that was pending then may be delivered by now: put back, it would be sent again. So deliveries and
    # replays stay. What attempts found out is dropped, as on an edit: a failing of long ago would disable at once.
    "Webhooks": Rule(
        kinds=frozenset({"subscription", "count"}),
        announced=frozenset({"subscription"}),
        dropped=("failing_since", "pace", "probed_until"),
    ),
    # Sums are computed again from what they are of: `make rebuild-reports`. No worker looks at an export that goes back
    # to running, and one that becomes done again would be announced again: so exports stay. A schedule that comes or
    # goes is looked at by its worker, as its stream asks; one that is there keeps its place, so that no day is reported
    # twice.
    "Reports": Rule(kinds=frozenset({"schedule", "schedule-count"}), live=("covered_until",)),
    # A log whose readers hold their places, and one that is sealed: neither goes back.
    "Events": Rule(adds_only=True),
    "Audit": Rule(adds_only=True, last="entry"),
}


class NotRestoredError(Exception):
    """The message says why nothing can be restored."""


@dataclass(frozen=True)
class Difference:
    """An item of which the tables differ. `now` is the stage's, `then` the restored one."""

    how: How
    key: Key
    now: RawItem | None = field(repr=False)
    then: RawItem | None = field(repr=False)

    def line(self) -> str:
        """A line of the plan. It names the attributes that differ, not their values."""
        now, then = self.now or {}, self.then or {}
        names = sorted(name for name in now.keys() | then.keys() if now.get(name) != then.get(name))
        return f"{self.how} {json.dumps(self.key)}" + (f" {' '.join(names)}" if self.how == "changed" else "")


@dataclass
class Tally:
    """What a run has seen so far. `moved`: items that changed after they were compared, and were left as they are."""

    progress: Callable[[str], None] = lambda _: None
    compared: int = 0
    found: dict[How, int] = field(default_factory=lambda: {"missing": 0, "changed": 0, "new": 0})
    moved: int = 0

    def add(self, difference: Difference | None) -> None:
        self.compared += 1
        if difference:
            self.found[difference.how] += 1
        if self.compared % _PROGRESS_EVERY == 0:
            self.progress(self.text())

    def text(self) -> str:
        return ", ".join([f"{self.compared:,} items compared", *(f"{n:,} {how}" for how, n in self.found.items())])


class Restore:
    """From the table `source` into the stage's table `target`."""

    def __init__(self, source: str, target: str, rule: Rule, *, mark: str) -> None:
        self._source, self._target, self._rule, self._mark = source, target, rule, mark
        self._names = key_names(target)
        if source == target:
            raise NotRestoredError("FROM_TABLE is the stage's own table: name the one that DynamoDB restored.")
        if key_names(source) != self._names:
            raise NotRestoredError(f"{source} has other keys than {target}: it is of another domain.")

    # ---- what differs -----------------------------------------------------------------------------------------------

    def differences(self, tally: Tally) -> Iterator[Difference]:
        """All of both tables, page by page."""
        for is_last in (False, True) if self._rule.last else (False,):
            for key, now, then in self._pairs(self._scanned(self._source)):
                if then and (kind_of(then) == self._rule.last) == is_last:
                    yield from self._compared(key, now, then, tally)
        if not self._rule.adds_only:
            for key, now, then in self._pairs(self._scanned(self._target)):
                if then is None:
                    yield from self._compared(key, now, then, tally)

    def differences_of(self, keys: Iterable[Key], tally: Tally) -> Iterator[Difference]:
        """Of these items alone."""
        for key, now, then in self._pairs(keys):
            yield from self._compared(key, now, then, tally)

    def _compared(self, key: Key, now: RawItem | None, then: RawItem | None, tally: Tally) -> Iterator[Difference]:
        difference = self._difference(key, now, then)
        tally.add(difference)
        if difference:
            yield difference

    def _difference(self, key: Key, now: RawItem | None, then: RawItem | None) -> Difference | None:
        rule = self._rule
        kind = kind_of(then or now or {})
        if (rule.kinds and kind not in rule.kinds) or (then and _has_ended(then)):
            return None
        if then and now:
            ignored = {RESTORED, *rule.live, *rule.dropped, *rule.raised}
            same = _without(now, ignored) == _without(then, ignored)
            return None if same or rule.adds_only else Difference("changed", key, now, then)
        if then:
            return Difference("missing", key, None, then)
        return Difference("new", key, now, None) if now and not rule.adds_only else None

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

    def apply(self, difference: Difference) -> bool:
        """False where the item has changed since it was compared: then it is left as it is."""
        if difference.then:
            return self._put(difference)
        return self._remove(difference)

    def _put(self, difference: Difference) -> bool:
        item = _without(difference.then or {}, set(self._rule.dropped))
        now = difference.now or {}
        for name in self._rule.live:
            item |= {name: now[name]} if name in now else {}
        for name in self._rule.raised if now else ():
            item[name] = {"N": str(1 + max(int(it[name]["N"]) if name in it else 0 for it in (now, item)))}
        if self._is_announced(item):
            item[RESTORED] = {"S": self._mark}
        write = {"TableName": self._target, "Item": item, **_unchanged(now, names=item.keys())}
        return _done(partial(client().put_item, **write))

    def _remove(self, difference: Difference) -> bool:
        """In two steps where the removal itself would be news: the record of a removal has the old image alone."""
        now = difference.now or {}
        where = {"TableName": self._target, "Key": self._raw(difference.key)}
        condition = _unchanged(now)
        if self._is_announced(now):
            removed = {"S": f"{self._mark}{REMOVED}"}
            names = condition["ExpressionAttributeNames"] | {"#restored": RESTORED}
            values = condition["ExpressionAttributeValues"] | {":restored": removed}
            update = condition | {"ExpressionAttributeNames": names, "ExpressionAttributeValues": values}
            marked = partial(client().update_item, **where, **update, UpdateExpression="SET #restored = :restored")
            if not _done(marked):
                return False
            condition = _unchanged(now | {RESTORED: removed})
        return _done(partial(client().delete_item, **where, **condition))

    def _is_announced(self, item: RawItem) -> bool:
        announced = self._rule.announced
        return announced is None or kind_of(item) in announced


def key_names(table: str) -> list[str]:
    """Raises NotRestoredError where there is no such table."""
    try:
        schema = client().describe_table(TableName=table)["Table"]["KeySchema"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        raise NotRestoredError(f"There is no table {table}.") from error
    return [str(it["AttributeName"]) for it in sorted(schema, key=lambda it: str(it["KeyType"]))]


def kind_of(item: Mapping[str, Any]) -> str:
    """Orders have none."""
    return str(item.get("kind", {}).get("S", ""))


def _has_ended(item: RawItem) -> bool:
    """Whether its time to live is over: it is not there any more because DynamoDB took it away."""
    return "ttl" in item and int(item["ttl"]["N"]) < clock.now().timestamp()


def _without(item: RawItem, names: set[str]) -> RawItem:
    return {name: value for name, value in item.items() if name not in names}


def _unchanged(now: RawItem, *, names: Iterable[str] = ()) -> dict[str, Any]:
    """The condition that an item is as it was read; {}: is not there. It has none of the other `names` either."""
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


def _done(write: Callable[[], object]) -> bool:
    """Makes a conditional write; whether its condition held. A repeated one whose answer was lost counts as not done,
    and the next run finds that nothing is left to do.
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
    """Says what differs, and copies it back if asked to; of a plan's items alone, where there is one."""
    copy = Restore(source, target, RULES[domain], mark=clock.timestamp(clock.now()))
    tally = Tally(progress)
    found = copy.differences(tally) if plan is None else copy.differences_of(plan, tally)
    for difference in found:
        moved = apply and not copy.apply(difference)
        tally.moved += moved
        say(difference.line() + (" # changed meanwhile, left as it is" if moved else ""))
    progress(tally.text())
    return tally


def read_plan(path: Path) -> list[Key]:
    """The keys of a plan, as this command has printed it. Lines may be taken out. Raises NotRestoredError."""
    keys: list[Key] = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        how, _, rest = line.partition(" ")
        try:
            key, _ = json.JSONDecoder().raw_decode(rest)
            texts = isinstance(key, list) and key and all(isinstance(it, str) for it in key)
            if how not in ("missing", "changed", "new") or not texts:
                raise ValueError  # noqa: TRY301 - the same sentence for each way in which a line can be wrong
        except (ValueError, TypeError) as error:
            raise NotRestoredError(f"Line {number} of {path} is not a line of a plan.") from error
        keys.append(tuple(key))
    return keys


def main() -> None:
    parser = stacks.stage_parser("Copies a restored table back into the stage's own table.", stages=stacks.ALL_STAGES)
    parser.add_argument("--domain", required=True, choices=tuple(RULES))
    parser.add_argument("--from-table", required=True, help="the table that DynamoDB restored")
    parser.add_argument("--plan", type=Path, help="copy these items alone: lines that this command has printed")
    parser.add_argument("--apply", action="store_true", help="write; without it the differences are only printed")
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
        raise SystemExit(f"{tally.moved} items changed meanwhile and were left as they are: run it again.")
    if not arguments.apply and any(tally.found.values()):
        print("Nothing was written. APPLY=1 copies this back.", file=sys.stderr)


if __name__ == "__main__":
    run_until_unread(main)
