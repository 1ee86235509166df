"""What stands for a client's address in an entry of the audit log."""

from oms.pseudonyms import pseudonym


def hidden(address: str, at: str) -> str:
    shown = pseudonym("address", address, at)
    assert shown is not None
    return shown
