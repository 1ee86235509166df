"""Digits of base 62 and checksums of the texts of tokens. No text has a character that ends a word."""

import zlib

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# 6 digits of base 62 hold a CRC-32.
CHECKSUM_DIGITS = 6


def checksum(text: str) -> str:
    """Returns the CRC-32 of a text, by which a mistyped or invented token is refused without a read."""
    return in_base_62(zlib.crc32(text.encode()), CHECKSUM_DIGITS)


def in_base_62(number: int, length: int) -> str:
    """Returns a number in base 62."""
    digits = ""
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits
