"""Commands about service keys, for admins."""

from typing import Any, cast, get_args

import click

from oms_client.cli.state import Group, State, pass_state
from oms_client.codec import UNSET
from oms_client.models import Scope, ServiceKeyResponse


@click.group(cls=Group)
def keys() -> None:
    """Create, list and revoke service keys."""


@keys.command()
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, required=True, type=click.Choice(get_args(Scope)), help="Repeatable.")
@click.option("--expires", type=click.DateTime(["%Y-%m-%d"]), help="The last day on which the key is valid.")
@click.option("--rate-limit", type=click.IntRange(1), help="The number of requests in a minute.")
@click.option("--address", "addresses", multiple=True, help="A network from which the key may be used; repeatable.")
@pass_state
def create(
    state: State, name: str, scopes: tuple[str, ...], expires: Any, rate_limit: int | None, addresses: tuple[str, ...]
) -> None:
    """Create a key, and print it: it is shown this once."""
    key = state.client.admin.create_service_key(
        name=name,
        scopes=cast("tuple[Scope, ...]", scopes),
        expires_at=expires.date() if expires else UNSET,
        rate_limit=rate_limit or UNSET,
        allowed_addresses=addresses or UNSET,
    )
    state.say(f"Created the key {key.id}. Store it now: it is not shown again.")
    state.show(key, key.key)


@keys.command("list")
@pass_state
def list_keys(state: State) -> None:
    """List all keys, without their secrets."""
    for key in state.client.admin.iter_service_keys():
        state.show(key, line(key))


@keys.command()
@click.argument("key_id")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_state
def revoke(state: State, key_id: str, yes: bool) -> None:
    """Delete a key. Its next request is refused."""
    if not yes:
        click.confirm(f"Revoke the key {key_id}?", abort=True, err=True)
    state.client.admin.delete_service_key(key_id)
    state.show({"id": key_id, "revoked": True}, f"Revoked {key_id}.")


def line(key: ServiceKeyResponse) -> str:
    used = f"{key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never used"
    return f"{key.id}  {key.status:<8} {used:<16}  {key.name}: {', '.join(key.scopes)}"
