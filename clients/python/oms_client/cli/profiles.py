"""Profiles: the URL and the credentials of a deployment, in a file that only its owner can read."""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from oms_client.credentials import ServiceKey, Session, Tokens
from oms_client.exchange import Credentials

try:
    import fcntl
except ImportError:  # Windows: two commands at once are rare there, and one of them then has to sign in again.
    fcntl = None  # type: ignore[assignment]


def folder() -> Path:
    return Path(os.environ.get("OMS_CONFIG") or click.get_app_dir("oms"))


@dataclass
class Profile:
    """One profile. `content` is its part of the file: `url`, and `key` or the tokens of `email`."""

    name: str
    content: dict[str, Any]

    @classmethod
    def load(cls, name: str) -> "Profile":
        return cls(name, _read().get(name, {}))

    @property
    def url(self) -> str | None:
        found = self.content.get("url")
        return None if found is None else str(found)

    def credentials(self) -> Credentials | None:
        if key := self.content.get("key"):
            return ServiceKey(key)
        return Session(store=ProfileStore(self.name)) if self.content.get("tokens") else None

    def save(self) -> None:
        with locked():
            _write(_read() | {self.name: self.content})

    def forget(self) -> None:
        """Deletes the credentials. The URL and the device token remain: they are needed at the next sign-in."""
        self.content = {name: it for name, it in self.content.items() if name in ("url", "email", "device")}
        self.save()


class ProfileStore:
    """The tokens of a profile, which all commands share."""

    def __init__(self, name: str) -> None:
        self._name = name

    def locked(self) -> AbstractContextManager[object]:
        return locked()

    def load(self) -> Tokens | None:
        content = _read().get(self._name, {})
        tokens = content.get("tokens")
        return Tokens(tokens["access"], tokens["refresh"], content.get("device")) if tokens else None

    def save(self, tokens: Tokens | None) -> None:
        everything = _read()
        content = everything.get(self._name, {})
        content.pop("tokens", None)
        if tokens:
            content |= {"tokens": {"access": tokens.access, "refresh": tokens.refresh}, "device": tokens.device}
        _write(everything | {self._name: content})


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """Lets one command at a time change the file."""
    folder().mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(folder() / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        if fcntl:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _file() -> Path:
    return folder() / "profiles.json"


def _read() -> dict[str, dict[str, Any]]:
    try:
        text = _file().read_text()
    except FileNotFoundError:
        return {}
    try:
        return dict(json.loads(text))
    except ValueError as error:
        raise click.ClickException(f"{_file()} is not readable: delete it, and sign in again.") from error


def _write(content: dict[str, dict[str, Any]]) -> None:
    """Replaces the file, so that a crash leaves the old or the new one. mkstemp creates it with the mode 0600."""
    descriptor, name = tempfile.mkstemp(dir=folder(), prefix="profiles-")
    try:
        with os.fdopen(descriptor, "w") as file:
            json.dump(content, file, indent=1)
        Path(name).replace(_file())
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
