"""Secrets and parameters, loaded at first use and reloaded by age. No input of a request causes a load."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from oms.core import aws, clock
from oms.core.errors import UnavailableError

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_ssm import SSMClient

MAX_AGE = timedelta(minutes=5)
_RETRY_AFTER = timedelta(seconds=10)
_CONFIG = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 2})


@cache
def secrets_client() -> "SecretsManagerClient":
    return aws.session().client("secretsmanager", config=_CONFIG)


@cache
def parameters_client() -> "SSMClient":
    return aws.session().client("ssm", config=_CONFIG)


def read_secret(name: str) -> str:
    return secrets_client().get_secret_value(SecretId=name)["SecretString"]


def read_parameter(name: str) -> str | None:
    try:
        return parameters_client().get_parameter(Name=name)["Parameter"]["Value"]
    except parameters_client().exceptions.ParameterNotFound:
        return None


class Reloaded[T]:
    """A value that is reloaded when it is 5 minutes old; an empty one after 10 seconds.

    If loading fails, the old value stays, and the next attempt follows after 10 seconds. Without an old value, `get`
    raises UnavailableError (503).
    """

    def __init__(self, load: Callable[[], T]) -> None:
        self._load = load
        self._value: T | None = None
        self._loaded_at: datetime | None = None
        self._good_for = timedelta(0)

    def get(self) -> T:
        now = clock.now()
        if self._loaded_at is None or not timedelta(0) <= now - self._loaded_at < self._good_for:
            self._reload(now)
        if self._value is None:
            raise UnavailableError
        return self._value

    def forget(self) -> None:
        self._value = self._loaded_at = None

    def _reload(self, now: datetime) -> None:
        self._loaded_at, self._good_for = now, _RETRY_AFTER
        try:
            self._value = self._load()
        except (BotoCoreError, ClientError) as error:
            if self._value is None:
                raise UnavailableError from error
            return
        if self._value:
            self._good_for = MAX_AGE
