"""Keyed hashes of client and e-mail addresses, with one key a year, for the audit log and the counts of mails; and of
search terms, with one key that stays.

The secret holds `{"2026": "…", "2027": "…", "terms": "…"}`. The same address has the same hash within a year. After the
key of a year is destroyed, the addresses of its entries cannot be recovered, but their seals stay valid. The key of the
terms lives as long as the orders, since another one would find none of the stored terms.
"""

import hmac
import json
import secrets
from collections.abc import Callable
from typing import Literal

from aws_lambda_powertools import Logger

from oms.core import clock
from oms.core.errors import UnavailableError
from oms.core.secret_store import Reloaded, read_secret, secrets_client
from oms.core.settings import settings

logger = Logger(child=True)

# `make keys` creates keys for this number of future years.
YEARS_AHEAD = 10
_HEX_DIGITS = 32
# The name of the key of search terms, beside the years.
_TERMS = "terms"

type YearKeys = dict[str, str]
type RecordAction = Callable[[str, str], None]
"""Called with an action and the years or ids of its keys, before keys are stored. If it raises, nothing is stored."""


def load_keys(secret_name: str) -> YearKeys:
    """Returns the keys by year."""
    stored: YearKeys = json.loads(read_secret(secret_name))
    return {year: key for year, key in stored.items() if year.isdigit()}


def _load_all(secret_name: str) -> dict[str, str]:
    """Returns the keys by year, and that of the terms. CDK's generated secret has another member, which is unused."""
    stored: dict[str, str] = json.loads(read_secret(secret_name))
    return {name: key for name, key in stored.items() if name.isdigit() or name == _TERMS}


KEYS: Reloaded[dict[str, str]] = Reloaded(lambda: _load_all(settings().address_keys_secret))


def pseudonym(kind: Literal["address", "e-mail", "mailbox"], text: str, at: str) -> str | None:
    """Returns a hash as `2026:` and 32 hexadecimal digits, with the key of the year of the timestamp `at`.

    None if that year has no key. Raises UnavailableError if the keys cannot be read.
    """
    year = at[:4]
    key = KEYS.get().get(year)
    if key is None:
        logger.error("the key that hashes addresses is missing: run `make keys`", year=year)
        return None
    return f"{year}:{_hash(key, kind, text)}"


def term_pseudonym(kind: str, text: str) -> str:
    """Returns a hash of 32 hexadecimal digits, which is always the same.

    Raises UnavailableError if the key does not exist or cannot be read.
    """
    key = KEYS.get().get(_TERMS)
    if key is None:
        logger.error("the key that hashes search terms is missing: run `make keys`")
        raise UnavailableError
    return _hash(key, kind, text)


def _hash(key: str, kind: str, text: str) -> str:
    return hmac.digest(key.encode(), f"{kind}:{text}".encode(), "sha256").hex()[:_HEX_DIGITS]


def ensure_keys(*, secret_name: str, record: RecordAction) -> list[str]:
    """Creates the missing keys of this year and the next ten, and that of the search terms. Returns the years."""
    keys, this_year = _load_all(secret_name), clock.now().year
    missing = [str(year) for year in range(this_year, this_year + YEARS_AHEAD + 1) if str(year) not in keys]
    if missing:
        record("address-keys.created", f"{missing[0]}-{missing[-1]}")
    names = missing if _TERMS in keys else [*missing, _TERMS]
    if names:
        _store(keys | {name: secrets.token_hex(32) for name in names}, secret_name)
    return missing


def destroy_key(year: str, *, secret_name: str, record: RecordAction) -> bool:
    """Destroys the key of a past year. Returns False if there is none. Raises ValueError if the year is not over."""
    if not year.isdigit() or int(year) >= clock.now().year:
        raise ValueError(f"{year} is not a past year")
    keys = _load_all(secret_name)
    if year not in keys:
        return False
    record("address-key.destroyed", year)
    kept = {name: key for name, key in keys.items() if name != year}
    # Stored twice, because Secrets Manager keeps the previous version.
    _store(kept, secret_name)
    _store(kept, secret_name)
    return True


def _store(keys: YearKeys, secret_name: str) -> None:
    secrets_client().put_secret_value(SecretId=secret_name, SecretString=json.dumps(dict(sorted(keys.items()))))
