"""Makes the first admin of a deployment: `python -m oms.commands.first_admin --stage S --email E`.

Prints a link with which the admin sets a password. Whoever may write to the stage's tables may do this; no route does.
"""

from dataclasses import dataclass
from typing import Literal, cast

from pynamodb.exceptions import TransactWriteError
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from oms.audit import audit_log
from oms.audit.models import AuditItem
from oms.commands.closed_pipe import run_until_unread
from oms.commands.stacks import acting_on, operator, output_of, stage_parser
from oms.core import clock, email_addresses
from oms.core.actors import System
from oms.core.dynamodb import failed, get_item, retrying, transaction
from oms.identity import passwords
from oms.identity.mailed_tokens import LIFE_SECONDS, link, mint
from oms.identity.models import (
    ADMINS_KEY,
    Admins,
    Changed,
    Claim,
    IdentityItem,
    User,
    claim_key,
    email_key,
    user_key,
)
from oms.identity.opaque_tokens import MailToken


class RefusedError(Exception):
    """There is an active admin, or an account that only looks as if it had the address; the message says what to do."""


@dataclass(frozen=True)
class Admitted:
    """What was done for the admin: an account made, one that was there promoted, or only a new link."""

    done: Literal["made", "promoted", "linked"]
    token: MailToken


def admit(email: str, *, operator_arn: str) -> Admitted:
    """Raises RefusedError where another admin is active, and ValueError for what is no address."""
    address = email_addresses.canonical(email)
    return retrying(lambda: _admit(address, operator_arn))


def _admit(email: str, operator_arn: str) -> Admitted:
    folded = email_addresses.fold(email)
    claim = cast(Claim | None, get_item(IdentityItem, claim_key(folded)))
    user = cast(User | None, get_item(IdentityItem, user_key(claim.user_id))) if claim else None
    done: Literal["made", "promoted", "linked"]
    if user and email_addresses.fold(user.email) != folded:
        raise RefusedError(f"Another address holds this one: see `make addresses`, user {user.id}.")
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
    except TransactWriteError as error:
        # The count of admins comes last: updates come after puts, and it is the last of them.
        if done != "linked" and failed(error.cancellation_reasons[-1] if error.cancellation_reasons else None):
            raise RefusedError(
                "There is an active admin. They can make others: PATCH /api/v1/admin/users/{id}/role."
            ) from error
        raise
    return Admitted(done, token)


def _password_less(email: str, folded: str) -> User:
    """Without a password until the link is used, and with an address that the operator vouches for."""
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
    """An active admin with no session, token or password from before: whoever registered the address first may be a
    stranger, and only the link goes to whom the operator means.
    """
    changed = User.from_raw_data(user.serialize())
    changed.role, changed.status, changed.email_verified = "admin", "active", True
    changed.password_hash = changed.pepper_version = None
    changed.password_min_length = 0
    changed.auth_epoch, changed.version = user.auth_epoch + 1, user.version + 1
    changed.devices_epoch = user.devices_epoch + 1
    changed.changed = _by_operator(changed.version)
    return changed


def _promote(writes: TransactWrite, user: User, changed: User) -> None:
    """By name, not the item as a whole: what it counts meanwhile without a new version stays."""
    actions: list[Action] = [
        User.role.set(changed.role),
        User.status.set(changed.status),
        User.email_verified.set(changed.email_verified),
        *passwords.removing(),
        User.auth_epoch.set(changed.auth_epoch),
        User.devices_epoch.set(changed.devices_epoch),
        User.version.set(changed.version),
        User.changed.set(changed.changed),
    ]
    writes.update(User(*user_key(user.id)), actions, User.version == user.version)


def _by_operator(version: int) -> Changed:
    """Events go to other systems: the operator's name in AWS is for the audit log alone."""
    at = clock.timestamp(clock.now())
    return Changed(actor_id=System().id, actor_role=System().role, at=at, version=version)


def _count_first(writes: TransactWrite) -> None:
    writes.update(
        Admins(*ADMINS_KEY),
        [Admins.kind.set(Admins), Admins.n.set(1)],
        Admins.n.does_not_exist() | (Admins.n == 0),
    )


def main() -> None:
    parser = stage_parser("Makes the first admin of a stage and prints a link for a password.")
    parser.add_argument("--email", required=True)
    arguments = parser.parse_args()
    stage: str = arguments.stage
    with acting_on(stage, {IdentityItem: "Identity", AuditItem: "Audit"}):
        public_url = output_of(stage, "PublicUrl")
        if public_url is None:
            raise SystemExit(
                f"Set public_url of the stage {stage!r} in cdk.json and deploy it: the link begins with it."
            )
        try:
            admitted = admit(arguments.email, operator_arn=operator())
        except (RefusedError, ValueError) as error:
            raise SystemExit(f"{arguments.email}: {error}") from error
    what = {"made": "made an admin", "promoted": "now an admin", "linked": "an admin already; here is a new link"}
    print(f"{arguments.email}: {what[admitted.done]}")
    print(f"Set the password within {LIFE_SECONDS['reset'] // 60} minutes: {link(public_url, 'reset', admitted.token)}")


if __name__ == "__main__":
    run_until_unread(main)
