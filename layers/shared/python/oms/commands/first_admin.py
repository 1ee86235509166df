"""Creates the first admin of a deployment: `python -m oms.commands.first_admin --stage S --email E`.

Prints a link with which the admin sets a password. It needs an operator who may write to the stage's tables, since no
route can create the first admin.
"""

from dataclasses import dataclass
from typing import Literal, cast

from pynamodb.expressions.update import Action

from oms.audit import audit_log
from oms.audit.models import AuditItem
from oms.commands.closed_pipe import run_until_unread
from oms.commands.stacks import acting_on, operator, output_of, stage_parser
from oms.core import clock, email_addresses
from oms.core.actors import System
from oms.core.dynamodb import get_item
from oms.core.retries import retrying
from oms.core.transactions import Transaction, TransactionError, transaction
from oms.identity import passwords
from oms.identity.mailed_tokens import LIFETIME_SECONDS, link, mint
from oms.identity.models import (
    ADMINS_KEY,
    AccountChange,
    Admins,
    Claim,
    IdentityItem,
    User,
    claim_key,
    email_key,
    user_key,
)
from oms.identity.opaque_tokens import MailToken


class AdmissionRefusedError(Exception):
    """Another admin is active, or another account has claimed the address. The message says what to do."""


@dataclass(frozen=True)
class AdmissionResult:
    """The token of the link, and the change: an account was created or promoted, or only a link was created."""

    done: Literal["made", "promoted", "linked"]
    token: MailToken


def grant_admin(email: str, *, operator_arn: str) -> AdmissionResult:
    """Creates or promotes the account. Raises RefusedError, and ValueError for an invalid address."""
    address = email_addresses.canonical(email)
    return retrying(lambda: _admit(address, operator_arn))


def _admit(email: str, operator_arn: str) -> AdmissionResult:
    folded = email_addresses.fold(email)
    claim = cast(Claim | None, get_item(IdentityItem, claim_key(folded)))
    user = cast(User | None, get_item(IdentityItem, user_key(claim.user_id))) if claim else None
    done: Literal["made", "promoted", "linked"]
    if user and email_addresses.fold(user.email) != folded:
        raise AdmissionRefusedError(
            f"User {user.id}, whose account has another address, claims this one. `make addresses STAGE=…` shows the "
            f"claim; `make addresses STAGE=… RELEASE={user.id}` releases it."
        )
    if user is None:
        done, changed = "made", _password_less(email, folded)
    elif user.is_active_admin:
        done, changed = "linked", user
    else:
        done, changed = "promoted", _promoted(user)
    stored, token = mint(changed, "reset")
    entry = audit_log.entry(
        f"first-admin.{done}", actor_id=operator_arn, actor_role="operator", address=None, target=f"user#{changed.id}"
    )
    try:
        with transaction() as writes:
            if done == "made":
                writes.save(Claim(*claim_key(folded), user_id=changed.id), Claim.pk.does_not_exist())
                writes.save(changed, User.pk.does_not_exist())
            if user and done == "promoted":
                _promote(writes, user, changed)
            if done != "linked":
                _count_first(writes)
            writes.save(stored)
            writes.save(entry)
    except TransactionError as error:
        if error.failed(Admins(*ADMINS_KEY)):
            raise AdmissionRefusedError(
                "There is an active admin, who can create others: PATCH /api/v1/admin/users/{id}/role."
            ) from error
        raise
    return AdmissionResult(done, token)


def _password_less(email: str, folded: str) -> User:
    """Returns a new user without a password, whose address is verified because the operator gave it."""
    user_id = clock.random_id()
    return User(
        *user_key(user_id),
        id=user_id,
        email=email,
        email_folded=folded,
        email_key=email_key(folded, user_id),
        email_verified=True,
        first_name="Admin",
        role="admin",
        created_at=clock.timestamp(clock.now()),
        changed=_by_operator(version=1),
    )


def _promoted(user: User) -> User:
    """Returns the user as an active admin without their earlier password, sessions and tokens.

    A stranger may have registered the address before, and would keep access. The intended admin gets the link.
    """
    changed = User.from_raw_data(user.serialize())
    changed.role, changed.status, changed.email_verified = "admin", "active", True
    changed.password_hash = changed.pepper_version = None
    changed.password_min_length = 0
    changed.auth_epoch, changed.version = user.auth_epoch + 1, user.version + 1
    changed.devices_epoch = user.devices_epoch + 1
    changed.changed = _by_operator(changed.version)
    return changed


def _promote(writes: Transaction, user: User, changed: User) -> None:
    """Updates single attributes of the user, to keep the item's counters, which change without a new version."""
    actions: list[Action] = [
        User.role.set(changed.role),
        User.status.set(changed.status),
        User.email_verified.set(changed.email_verified),
        *passwords.remove_actions(),
        User.auth_epoch.set(changed.auth_epoch),
        User.devices_epoch.set(changed.devices_epoch),
        User.version.set(changed.version),
        User.changed.set(changed.changed),
    ]
    writes.update(User(*user_key(user.id)), actions, User.version == user.version)


def _by_operator(version: int) -> AccountChange:
    """Returns the change with the system as its actor. Events go to other systems, which must not get the operator's
    AWS name.
    """
    at = clock.timestamp(clock.now())
    return AccountChange(actor_id=System().id, actor_role=System().role, at=at, version=version)


def _count_first(writes: Transaction) -> None:
    writes.update(
        Admins(*ADMINS_KEY),
        [Admins.kind.set(Admins), Admins.n.set(1)],
        Admins.n.does_not_exist() | (Admins.n == 0),
    )


def main() -> None:
    parser = stage_parser("Creates the first admin of a stage and prints a link for a password.")
    parser.add_argument("--email", required=True)
    arguments = parser.parse_args()
    stage: str = arguments.stage
    with acting_on(stage, {IdentityItem: "Identity", AuditItem: "Audit"}):
        public_url = output_of(stage, "PublicUrl")
        if public_url is None:
            raise SystemExit(
                f"Set public_url of the stage {stage!r} in cdk.json and deploy it: the link begins with this URL."
            )
        try:
            admitted = grant_admin(arguments.email, operator_arn=operator())
        except (AdmissionRefusedError, ValueError) as error:
            raise SystemExit(f"{arguments.email}: {error}") from error
    change = {
        "made": "made an admin",
        "promoted": "now an admin",
        "linked": "an admin already; here is a new link",
    }
    print(f"{arguments.email}: {change[admitted.done]}")
    minutes = LIFETIME_SECONDS["reset"] // 60
    print(f"Set the password within {minutes} minutes: {link(public_url, 'reset', admitted.token)}")


if __name__ == "__main__":
    run_until_unread(main)
