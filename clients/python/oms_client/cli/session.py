"""Commands that sign in and out."""

import sys

import click

from oms_client.cli.profiles import Profile
from oms_client.cli.state import Command, State, pass_state
from oms_client.codec import UNSET
from oms_client.credentials import ServiceKey, Session
from oms_client.errors import ApiError


@click.command(cls=Command)
@click.option("--url", help="The deployment, such as https://oms.example.com.")
@click.option("--email", help="Sign in as this person. Without it, a service key is stored.")
@pass_state
def login(state: State, url: str | None, email: str | None) -> None:
    """Store a service key, or sign in with an e-mail address and a password.

    The secret is read from the terminal, or from standard input if that is a pipe.
    """
    state.url_option = url or state.url_option
    profile = Profile(state.profile_name, {"url": state.url})
    if email is None:
        profile.content["key"] = _checked_key(state, _secret("Service key"))
        who = "with the service key"
    else:
        profile.content |= _signed_in(state, email, _secret("Password"))
        who = f"as {email}"
    profile.save()
    shown = {"profile": profile.name, "url": state.url, "email": email}
    state.show(shown, f"Signed in to {state.url} {who}.")


def _secret(name: str) -> str:
    if sys.stdin.isatty():
        return str(click.prompt(name, hide_input=True, err=True))
    return sys.stdin.readline().rstrip("\r\n")


def _checked_key(state: State, key: str) -> str:
    """Returns the key if the deployment knows it. A key that lacks the scope of the request is a known one.

    The catalogue would not do: a deployment may show it to everyone.
    """
    try:
        state.connect(ServiceKey(key)).orders.list_orders(limit=1)
    except ApiError as error:
        if error.status != 403:
            raise
    return key


def _signed_in(state: State, email: str, password: str) -> dict[str, object]:
    known = state.profile.content
    device = known.get("device") if known.get("email") == email else None
    found = state.connect(None).auth.log_in(email=email, password=password, device_token=device or UNSET)
    tokens = {"access": found.access_token, "refresh": found.refresh_token}
    return {"email": email, "tokens": tokens, "device": found.device_token}


@click.command(cls=Command)
@pass_state
def logout(state: State) -> None:
    """End the session, and delete the credentials of the profile."""
    profile = state.profile
    credentials = profile.credentials()
    tokens = credentials.tokens if isinstance(credentials, Session) else None
    profile.forget()
    if tokens and profile.url:
        try:
            state.connect(None).auth.log_out(refresh_token=tokens.refresh)
        except ApiError as error:
            # The session has ended already.
            if error.status != 401:
                raise
    state.show({"profile": profile.name}, f"Signed out of the profile {profile.name}.")
