"""Texts that people read: checks for visible characters, and the canonical form of names that are keys."""

import re
import unicodedata

# Letters and symbols that fonts draw as blanks: the Hangul fillers, braille without a dot, the null notehead, and two
# blanks of Egyptian hieroglyphs.
_DRAWN_AS_NOTHING = frozenset("\u115f\u1160\u3164\uffa0\u2800\U0001d159\U00013441\U00013442")
# The format characters that join letters or emoji, as in Persian names. The others are invisible or reverse the text.
JOINERS = "\u200c\u200d"
# Joiners, variation selectors and similar characters. They change the look of symbols and of letters of some scripts.
_SHAPES = f"{JOINERS}\u034f\u17b4\u17b5\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"
_SHAPING = re.compile(f"[{_SHAPES}]+")
# Default_Ignorable_Code_Point of Unicode's DerivedCoreProperties.txt, without the fillers and shaping characters. Most
# are format characters; the others are unassigned, and reserved as invisible.
_IGNORED = re.compile(
    "[\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff0-\ufff8\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff]"
)

NOTHING_VISIBLE = "must have a visible character"


def is_visible(text: str) -> bool:
    """Returns whether the text has a visible character: a letter, digit, punctuation mark or symbol."""
    return any(
        unicodedata.category(character)[0] in "LNPS" and character not in _DRAWN_AS_NOTHING for character in text
    )


def one_line(text: str) -> str:
    """Returns the text. Raises ValueError if it has line breaks or other control characters."""
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in text):
        raise ValueError("must be one line, without control characters")
    return text


def visible(text: str) -> str:
    """Returns the text. Raises ValueError unless it is one line with a visible character."""
    if not is_visible(one_line(text)):
        raise ValueError(NOTHING_VISIBLE)
    return text


def without_ignored(text: str) -> str:
    """Returns the text without characters that are invisible and do not change the look of other characters."""
    kept = (character for character in text if unicodedata.category(character) != "Cf" or character in JOINERS)
    return _IGNORED.sub("", "".join(kept))


def key_name(text: str) -> str:
    """Returns the canonical form of a name that is a key: NFC, no invisible characters, single spaces between words.

    Line breaks within it stay, because `visible` refuses them.
    """
    shown = without_ignored(text)
    blanks = "".join(
        " " if unicodedata.category(character) == "Zs" or character in _DRAWN_AS_NOTHING else character
        for character in shown
    )
    words = _SHAPING.sub(_needed, unicodedata.normalize("NFC", blanks)).strip().split(" ")
    return unicodedata.normalize("NFC", " ".join(word for word in words if word))


def _needed(run: re.Match[str]) -> str:
    """Returns the shaping characters to keep: all between two shaped characters, no joiners after the last one."""
    if not _is_shaped(run.string[run.start() - 1 : run.start()]):
        return ""
    if _is_shaped(run.string[run.end() : run.end() + 1]):
        return run[0]
    return "".join(character for character in run[0] if character not in JOINERS)


def _is_shaped(character: str) -> bool:
    """Returns whether the character is a symbol or a letter whose script comes after Cyrillic in Unicode."""
    return "\u0590" <= character < "\u2000" or character >= "\u2100"
