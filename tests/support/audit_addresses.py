"""What the audit log keeps of clients and readers, for tests that are not about it."""

from oms.audit import audit_log as audit
from oms.core.actors import Actor
from oms.core.pseudonyms import pseudonym


def hidden(address: str, at: str) -> str:
    """What stands for a client's address."""
    shown = pseudonym("address", address, at)
    assert shown is not None
    return shown


def known_readers(*readers: Actor) -> None:
    """Puts the entries that a process has once an hour of who reads lists of persons: no list is the first then."""
    for reader in readers:
        for persons in ("orders", "users", "events"):
            audit.record_bulk_read(reader, address="198.51.100.9", target=persons)
