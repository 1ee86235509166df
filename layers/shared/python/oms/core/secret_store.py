"""Secrets and parameters, loaded at first use and reloaded by age. A request cannot cause extra loads."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, cast

from botocore.exceptions import BotoCoreError, ClientError

from oms.core import clock
from oms.core.aws_json.client import Client
from oms.core.errors import UnavailableError

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_ssm import SSMClient

MAX_AGE = timedelta(minutes=5)
_RETRY_AFTER = timedelta(seconds=10)
# Without a value, every request is refused until the next attempt, with a Retry-After of this length.
_RETRY_WITHOUT_VALUE_AFTER = timedelta(seconds=1)


@cache
def secrets_client() -> "SecretsManagerClient":
    return cast("SecretsManagerClient", Client("secretsmanager", read_seconds=2, max_attempts=2))


@cache
def parameters_client() -> "SSMClient":
    return cast("SSMClient", Client("ssm", read_seconds=2, max_attempts=2))


def read_secret(name: str) -> str:
    return secrets_client().get_secret_value(SecretId=name)["SecretString"]


def read_parameter(name: str) -> str | None:
    try:
        return parameters_client().get_parameter(Name=name)["Parameter"]["Value"]
    except parameters_client().exceptions.ParameterNotFound:
        return None


class Reloaded[T]:
    """A value that is reloaded when it is 5 minutes old, or 10 seconds old if it is empty.

    If loading fails, the old value stays, and the next attempt follows after 10 seconds. Without an old value, `get`
    raises UnavailableError (503), and the next attempt follows after the second in its Retry-After.
    """

    def __init__(self, load: Callable[[], T]) -> None:
        self._load = load
        self._value: T | None = None
        self._loaded_at: datetime | None = None
        self._valid_for = timedelta(0)

    def get(self) -> T:
        now = clock.now()
        if self._loaded_at is None or not timedelta(0) <= now - self._loaded_at < self._valid_for:
            self._reload(now)
        if self._value is None:
            raise UnavailableError
        return self._value

    def forget(self) -> None:
        self._value = self._loaded_at = None

    def _reload(self, now: datetime) -> None:
        self._loaded_at, self._valid_for = now, _RETRY_AFTER
        try:
            self._value = self._load()
        except (BotoCoreError, ClientError) as error:
            if self._value is None:
                self._valid_for = _RETRY_WITHOUT_VALUE_AFTER
                raise UnavailableError from error
            return
        if self._value:
            self._valid_for = MAX_AGE
