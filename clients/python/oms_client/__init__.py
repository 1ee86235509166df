"""Client of the Secure Order Management System: typed, synchronous and asynchronous, with retries that are safe."""

from oms_client import models, problems, webhooks
from oms_client.client import VERSION, AsyncOmsClient, OmsClient
from oms_client.codec import UNSET, ResponseInfo
from oms_client.credentials import ServiceKey, Session, Tokens, TokenStore
from oms_client.errors import (
    ApiError,
    ConnectionFailedError,
    NotSignedInError,
    OmsClientError,
    UnexpectedResponseError,
)
from oms_client.exchange import RetryPolicy
from oms_client.importing import ImportFailedError, ImportResult

__version__ = VERSION
__all__ = [
    "UNSET",
    "ApiError",
    "AsyncOmsClient",
    "ConnectionFailedError",
    "ImportFailedError",
    "ImportResult",
    "NotSignedInError",
    "OmsClient",
    "OmsClientError",
    "ResponseInfo",
    "RetryPolicy",
    "ServiceKey",
    "Session",
    "TokenStore",
    "Tokens",
    "UnexpectedResponseError",
    "models",
    "problems",
    "webhooks",
]
