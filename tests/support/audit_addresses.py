"""Client addresses and readers in the audit log, for tests with other subjects."""

from oms.audit import audit_log as audit
from oms.core.actors import Actor
from oms.core.pseudonyms import pseudonym


def hidden(address: str, at: str) -> str:
    """Returns the hash of a client's address."""
    shown = pseudonym("address", address, at)
    assert shown is not None
    return shown


def known_readers(*readers: Actor) -> None:
    """Adds the hourly entries of these readers of personal data, so that no later read adds one."""
    for reader in readers:
        for persons in ("orders", "users", "events"):
            audit.record_bulk_read(reader, address="198.51.100.9", target=persons)
