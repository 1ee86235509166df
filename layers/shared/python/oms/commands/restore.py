"""Copies a table that DynamoDB restored back into the stage's own table: `python -m oms.commands.restore`.

Point-in-time recovery restores into a new table, but the stack keeps the old table, with its name and its stream. So
the command copies the differing items back. By default it writes nothing and prints the differences as a plan.

Each write requires that the item has not changed since the comparison, so no concurrent change is lost. An interrupted
run can be repeated, and finds the remaining differences.
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
from oms.core.dynamodb import Key, client, is_written, read_batches, scan_keys, single_write
from oms.events.streams import REMOVED, RESTORED, RawItem

type How = Literal["missing", "changed", "new"]
"""Only in the restored table; in both, with differences; only in the stage's table."""

_AT_ONCE = 100
_PROGRESS_EVERY = 10_000


@dataclass(frozen=True)
class RestoreRule:
    """The items and attributes of a table that are copied back.

    `kinds`: the kinds of items to copy; empty means all. `adds_only`: no item is changed or removed. `announced`: kinds
    whose changes the stream's consumers would publish; None means all. Each write of these carries a mark that stops
    the consumers. `live`: attributes that keep their current value. `dropped`: attributes that are removed. `raised`:
    numbers that are set above both values. `last`: the kind that is put after all others.
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
    "Inventory": RestoreRule(announced=frozenset({"product", "stock", "level", "adjustment"})),
    # Sessions, attempts, tokens and mails expire, so they are not copied. The epoch is raised, so that no old session
    # becomes valid. The number of open orders is derived from the orders. Service keys are not copied, because a
    # restored key could be one that was revoked since.
    "Identity": RestoreRule(
        kinds=frozenset({"user", "admins", "claim"}),
        announced=frozenset({"user"}),
        live=("open_orders",),
        raised=("auth_epoch", "devices_epoch", "locks_epoch"),
    ),
    # Deliveries and replays are not copied, because a delivery that was pending then may be delivered by now and would
    # be sent again. The results of attempts are dropped, as on an edit, because an old failure would disable a webhook
    # immediately.
    "Webhooks": RestoreRule(
        kinds=frozenset({"subscription", "count"}),
        announced=frozenset({"subscription"}),
        dropped=("failing_since", "pace", "probed_until"),
    ),
    # `make rebuild-reports` computes the sums again. Exports are not copied: no worker would continue a restored
    # running export, and a restored finished one would be announced again. The scheduler processes a schedule that is
    # added or removed. An existing schedule keeps `covered_until`, so that no day is exported twice.
    "Reports": RestoreRule(kinds=frozenset({"schedule", "schedule-count", "schedule-key"}), live=("covered_until",)),
    # Items of the feed and of the audit log are only added, because readers of the feed have cursors and the log is
    # sealed.
    "Events": RestoreRule(adds_only=True),
    "Audit": RestoreRule(adds_only=True, last="entry"),
}


class NotRestoredError(Exception):
    """The restore is not possible. The message says why."""


@dataclass(frozen=True)
class ItemDifference:
    """An item that differs between the tables. `now` is the stage's item, `then` the restored one; {} means that it is
    missing.
    """

    how: How
    key: tuple[str, ...]
    now: RawItem = field(repr=False)
    then: RawItem = field(repr=False)

    def line(self) -> str:
        """Returns the item's line of the plan, with the names of the differing attributes, without their values."""
        names = sorted(name for name in {**self.now, **self.then} if self.now.get(name) != self.then.get(name))
        return f"{self.how} {json.dumps(self.key)}" + (f" {' '.join(names)}" if self.how == "changed" else "")


@dataclass
class Tally:
    """The counts of a run. `moved` counts items that changed after they were compared, so they were not written."""

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
    """A restore from the table `source` into the stage's table `target`."""

    def __init__(self, source: str, target: str, rule: RestoreRule, *, mark: str) -> None:
        self._source, self._target, self._rule, self._mark = source, target, rule, mark
        self._names = key_attributes(target)
        if source == target:
            raise NotRestoredError("FROM_TABLE is the stage's own table: name the table that DynamoDB restored.")
        if key_attributes(source) != self._names:
            raise NotRestoredError(f"{source} has other keys than {target}: it belongs to a different domain.")

    # ---- differences -----------------------------------------------------------------------------------------------

    def differences(self, tally: Tally) -> Iterator[ItemDifference]:
        """Yields the differences of all items of both tables, read page by page."""
        source, target = (partial(scan_keys, table, self._names) for table in (self._source, self._target))
        yield from self.differences_of(source(), tally, concerns=lambda then: bool(then) and not self._is_last(then))
        if self._rule.last:
            yield from self.differences_of(source(), tally, concerns=self._is_last)
        if not self._rule.adds_only:
            yield from self.differences_of(target(), tally, concerns=lambda then: not then)

    def differences_of(
        self, keys: Iterable[Key], tally: Tally, *, concerns: Callable[[RawItem], bool] = lambda _: True
    ) -> Iterator[ItemDifference]:
        """Yields the differences of these items. `concerns` selects them by the restored item, which is {} if it is
        missing.
        """
        for some in batched(keys, _AT_ONCE, strict=False):
            now, then = (read_batches(table, self._names, some) for table in (self._target, self._source))
            for key in some:
                if concerns(then.get(key, {})):
                    difference = self._difference(key, now.get(key, {}), then.get(key, {}))
                    tally.add(difference)
                    if difference:
                        yield difference

    def _is_last(self, item: RawItem) -> bool:
        return kind_of(item) == self._rule.last

    def _difference(self, key: Key, now: RawItem, then: RawItem) -> ItemDifference | None:
        rule = self._rule
        if (rule.kinds and kind_of(then or now) not in rule.kinds) or _has_ended(then):
            return None
        how: How = "changed" if now and then else "missing" if then else "new"
        ignored = {RESTORED, *rule.live, *rule.dropped, *rule.raised}
        is_kept = rule.adds_only and now
        same = _without(now, ignored) == _without(then, ignored)
        names = (key,) if isinstance(key, str) else key
        return None if same or is_kept else ItemDifference(how, names, now, then)

    # ---- writing ----------------------------------------------------------------------------------------------------

    def apply(self, difference: ItemDifference) -> bool:
        """Copies an item back. Returns False, and writes nothing, if the item changed after it was compared."""
        if difference.then:
            return self._put(difference.now, difference.then)
        return self._remove(difference.now)

    def _put(self, now: RawItem, then: RawItem) -> bool:
        item = _without(then, set(self._rule.dropped))
        for name in self._rule.live:
            item |= {name: now[name]} if name in now else {}
        for name in self._rule.raised if now else ():
            item[name] = {"N": str(1 + max(int(values[name]["N"]) if name in values else 0 for values in (now, item)))}
        if self._is_announced(item):
            item[RESTORED] = {"S": self._mark}
        return self._write(client().put_item, _unchanged(now, names=item.keys()), Item=item)

    def _remove(self, now: RawItem) -> bool:
        """Removes an item. An announced item is marked first, since the record of a removal has only the old image."""
        key = {name: now[name] for name in self._names}
        if self._is_announced(now):
            mark, update = {"S": f"{self._mark}{REMOVED}"}, _unchanged(now)
            update["ExpressionAttributeNames"]["#restored"] = RESTORED
            update["ExpressionAttributeValues"][":restored"] = mark
            if not self._write(client().update_item, update, Key=key, UpdateExpression="SET #restored = :restored"):
                return False
            now = now | {RESTORED: mark}
        return self._write(client().delete_item, _unchanged(now), Key=key)

    def _write(self, call: Callable[..., Any], condition: dict[str, Any], **arguments: Any) -> bool:
        write = {"TableName": self._target, **condition, **arguments}
        return is_written(partial(single_write, call, write))

    def _is_announced(self, item: RawItem) -> bool:
        announced = self._rule.announced
        return announced is None or kind_of(item) in announced


def key_attributes(table: str) -> list[str]:
    """Returns the names of the table's key attributes. Raises NotRestoredError if the table does not exist."""
    try:
        schema = client().describe_table(TableName=table)["Table"]["KeySchema"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        raise NotRestoredError(f"There is no table {table}.") from error
    return [str(element["AttributeName"]) for element in sorted(schema, key=lambda element: str(element["KeyType"]))]


def kind_of(item: Mapping[str, Any]) -> str:
    """Returns the discriminator of an item, or an empty text for orders."""
    return str(item.get("kind", {}).get("S", ""))


def _has_ended(item: RawItem) -> bool:
    """Returns whether the item's time to live is over, so that DynamoDB has deleted it or will."""
    return "ttl" in item and int(item["ttl"]["N"]) < clock.now().timestamp()


def _without(item: RawItem, names: set[str]) -> RawItem:
    return {name: value for name, value in item.items() if name not in names}


def _unchanged(now: RawItem, *, names: Iterable[str] = ()) -> dict[str, Any]:
    """Returns the condition that an item equals `now` and has none of the other attributes `names`.

    An empty `now` means that the item does not exist.
    """
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
    """Reports the differences, and copies the items back if `apply`. With a plan, only the items of the plan."""
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
    """Returns the keys of a printed plan, from which lines may be removed. Raises NotRestoredError."""
    keys: list[Key] = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        how, _, rest = line.partition(" ")
        try:
            key, _ = json.JSONDecoder().raw_decode(rest)
            texts = isinstance(key, list) and key and all(isinstance(part, str) for part in key)
            if how not in ("missing", "changed", "new") or not texts:
                raise ValueError  # noqa: TRY301 - one message for each error in a line
        except (ValueError, TypeError) as error:
            raise NotRestoredError(f"Line {number} of {path} is not a line of a plan.") from error
        keys.append(tuple(key) if len(key) > 1 else key[0])
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
        raise SystemExit(f"{tally.moved} items changed meanwhile and were not written: run this command again.")
    if not arguments.apply and any(tally.found.values()):
        print("Nothing was written. APPLY=1 copies this back.", file=sys.stderr)


if __name__ == "__main__":
    run_until_unread(main)
