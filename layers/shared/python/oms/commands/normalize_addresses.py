"""Lists and converts accounts whose e-mail address is not in canonical form: `make addresses STAGE=…`.

An earlier version stored addresses as typed, with claims that did not identify the mailbox. The command lists such
accounts. With `--apply` it converts those whose mailbox no other account has, in two runs: the first adds the claim
by which new code finds the account, the second removes the old claim. So run it once before the deployment of the new
code and once after. With `--release USER` it deletes the claims of a listed account, and disables the account.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, cast

from oms.audit import audit_log
from oms.audit.models import AuditEntry, AuditItem
from oms.commands.closed_pipe import run_until_unread
from oms.commands.stacks import acting_on, operator, stage_parser
from oms.core import clock, email_addresses
from oms.core.actors import System
from oms.core.dynamodb import batch_get, key_names, scan_keys, table_name
from oms.core.retries import retrying
from oms.core.transactions import transaction
from oms.identity.models import AccountChange, Claim, IdentityItem, User, claim_key, email_key, user_key

_CLAIM = "email#"

type State = Literal["unreachable", "taken", "unclaimed", "claimed"]
_MEANING: dict[State, str] = {
    "unreachable": "no mail can be sent to it; RELEASE={id} frees the address that it claims",
    "taken": "user {holder} has the same mailbox; RELEASE={id} or RELEASE={holder} keeps one of the accounts",
    "unclaimed": "APPLY=1 adds the claim of {key}",
    "claimed": "APPLY=1, once the new version is deployed, stores {key} and removes the old claim",
}


class ReleaseRefusedError(Exception):
    """The claim cannot be released. The message says why."""


@dataclass(frozen=True)
class NonCanonicalAccount:
    """An account with an address in an earlier form. `key` is the canonical one, or None if no mail can be sent to it.

    `claims` are the keys that name the account, and `holder` is the user whom the claim of `key` names.
    """

    user: User
    claims: frozenset[str]
    key: str | None
    holder: str | None

    @property
    def state(self) -> State:
        if self.key is None:
            return "unreachable"
        if self.holder is None:
            return "unclaimed"
        return "claimed" if self.holder == self.user.id else "taken"

    def __str__(self) -> str:
        """Returns the account's line of the list, in ASCII, because the address may look like a different one."""
        meaning = _MEANING[self.state].format(id=self.user.id, key=self.key, holder=self.holder)
        verified = "verified" if self.user.email_verified else "not verified"
        about = f"{self.user.role}, {self.user.status}, {verified}"
        return f"user {self.user.id}  {self.user.email!a}  ({about})\n    {self.state}: {meaning}"


def find() -> Iterator[NonCanonicalAccount]:
    """Yields all accounts with a non-canonical address. Scans the whole table."""
    keys_of_claims = scan_keys(table_name(IdentityItem), key_names(IdentityItem), [_CLAIM])
    claims = cast(dict[tuple[str, str], Claim], batch_get(IdentityItem, keys_of_claims))
    holders = {pk.removeprefix(_CLAIM): claim.user_id for (pk, _), claim in claims.items()}
    keys: dict[str, set[str]] = defaultdict(set)
    for claimed, holder in holders.items():
        keys[holder].add(claimed)
    for user in batch_get(IdentityItem, [user_key(user_id) for user_id in keys]).values():
        assert isinstance(user, User)  # noqa: S101 - what a user's key names
        form = email_addresses.deliverable(user.email)
        key = email_addresses.fold(form) if form else None
        if keys[user.id] != {key} or user.email_folded != key:
            yield NonCanonicalAccount(user, frozenset(keys[user.id]), key, holders.get(key or ""))


def apply(found: NonCanonicalAccount, *, operator_arn: str) -> bool:
    """Converts the account by one step. Returns False if a person must decide."""
    if found.state == "unclaimed":
        retrying(lambda: _add_claim(found, operator_arn))
    elif found.state == "claimed":
        retrying(lambda: _move(found, operator_arn))
    return found.state in ("unclaimed", "claimed")


def release(user_id: str, *, operator_arn: str) -> None:
    """Deletes the claims of an account, ends its sessions and disables it. Raises ReleaseRefusedError."""
    found = next((account for account in find() if account.user.id == user_id), None)
    if found is None or found.state not in ("unreachable", "taken"):
        raise ReleaseRefusedError(f"User {user_id} is not listed as unreachable or taken, so it keeps its address.")
    if found.user.is_active_admin:
        raise ReleaseRefusedError(f"User {user_id} is an active admin: give it another role first.")
    retrying(lambda: _release(found, operator_arn))


def _add_claim(found: NonCanonicalAccount, operator_arn: str) -> None:
    with transaction() as writes:
        writes.save(Claim(*claim_key(found.key or ""), user_id=found.user.id), Claim.pk.does_not_exist())
        writes.save(_entry("email.claimed", found, operator_arn))


def _move(found: NonCanonicalAccount, operator_arn: str) -> None:
    user, key = found.user, found.key or ""
    with transaction() as writes:
        for old in found.claims - {key}:
            writes.delete(Claim(*claim_key(old)), Claim.user_id == user.id)
        writes.save(_entry("email.moved", found, operator_arn))
        writes.update(
            User(*user_key(user.id)),
            [
                User.email.set(email_addresses.canonical(user.email)),
                User.email_folded.set(key),
                User.email_key.set(email_key(key, user.id)),
                User.email_verified.set(user.email_verified and _was_mailed_at(user.email)),
                User.version.set(user.version + 1),
            ],
            User.version == user.version,
        )


def _was_mailed_at(email: str) -> bool:
    """Returns whether earlier versions sent mail to the canonical form. They mapped the domain by IDNA 2003: `straße`
    to `strasse`.
    """
    local, _, domain = email.rpartition("@")
    try:
        return f"{local}@{domain.encode('idna').decode()}" == email_addresses.canonical(email)
    except UnicodeError:
        return False


def _release(found: NonCanonicalAccount, operator_arn: str) -> None:
    user, at = found.user, clock.timestamp(clock.now())
    changed = AccountChange(actor_id=System().id, actor_role=System().role, at=at, version=user.version + 1)
    with transaction() as writes:
        for key in found.claims:
            writes.delete(Claim(*claim_key(key)), Claim.user_id == user.id)
        writes.save(_entry("email.released", found, operator_arn))
        writes.update(
            User(*user_key(user.id)),
            [
                User.status.set("disabled"),
                User.auth_epoch.set(user.auth_epoch + 1),
                User.version.set(changed.version),
                User.changed.set(changed),
            ],
            User.version == user.version,
        )


def _entry(action: str, found: NonCanonicalAccount, operator_arn: str) -> AuditEntry:
    return audit_log.entry(
        action, actor_id=operator_arn, actor_role="operator", address=None, target=f"user#{found.user.id}"
    )


def main() -> None:
    parser = stage_parser("Lists accounts whose e-mail address has an earlier form.")
    parser.add_argument("--apply", action="store_true", help="convert those whose mailbox no other account has")
    parser.add_argument("--release", default="", help="the id of a listed user, whose claim of the address is deleted")
    arguments = parser.parse_args()
    stage: str = arguments.stage
    with acting_on(stage, {IdentityItem: "Identity", AuditItem: "Audit"}):
        _act(apply_all=arguments.apply, released=arguments.release)


def _act(*, apply_all: bool, released: str) -> None:
    if released:
        try:
            release(released, operator_arn=operator())
        except ReleaseRefusedError as error:
            raise SystemExit(str(error)) from error
        print(f"user {released}  released and disabled")
    for found in find():
        print(found)
        if apply_all and apply(found, operator_arn=operator()):
            print("    done")
    print("End of the list. An empty list means that every address has the canonical form.")


if __name__ == "__main__":
    run_until_unread(main)
