"""Texts that people read: what is visible in them, and the one form of a name that is a key."""

import re
import unicodedata

# Letters and symbols that are drawn as nothing: the Hangul fillers, braille without a dot, the null notehead, and two
# blanks of Egyptian hieroglyphs.
_DRAWN_AS_NOTHING = frozenset("\u115f\u1160\u3164\uffa0\u2800\U0001d159\U00013441\U00013442")
# Of the format characters those that join letters, as in Persian names and in emoji. The others show nothing, or turn
# text around.
JOINERS = "\u200c\u200d"
# With variation selectors and their like: they change the look of symbols and of letters of some scripts, and elsewhere
# nothing.
_SHAPES = f"{JOINERS}\u034f\u17b4\u17b5\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"
_SHAPING = re.compile(f"[{_SHAPES}]+")
# Default_Ignorable_Code_Point of Unicode's DerivedCoreProperties.txt without the fillers and without what shapes. Most
# are format characters; the others are not assigned, and drawn as nothing so that they can be one day.
_IGNORED = re.compile(
    "[\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff0-\ufff8\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff]"
)

NOTHING_VISIBLE = "must have a visible character"


def is_visible(text: str) -> bool:
    """Whether a reader sees anything of it: a letter, digit, punctuation mark or symbol."""
    return any(unicodedata.category(it)[0] in "LNPS" and it not in _DRAWN_AS_NOTHING for it in text)


def one_line(text: str) -> str:
    """The text. ValueError if it has line breaks or other control characters."""
    if any(unicodedata.category(it) in ("Cc", "Cs", "Zl", "Zp") for it in text):
        raise ValueError("must be one line, without control characters")
    return text


def visible(text: str) -> str:
    """The text. ValueError unless it is one line of which something is visible."""
    if not is_visible(one_line(text)):
        raise ValueError(NOTHING_VISIBLE)
    return text


def without_ignored(text: str) -> str:
    """The text without the characters that show nothing and change the look of no other: format characters, and code
    points that are drawn as nothing.
    """
    kept = (it for it in text if unicodedata.category(it) != "Cf" or it in JOINERS)
    return _IGNORED.sub("", "".join(kept))


def key_name(text: str) -> str:
    """The one form of a name that is a key: NFC, nothing in it that is not seen, no blanks but one between words.

    Line breaks within it stay: they are in no name, see `visible`.
    """
    shown = without_ignored(text)
    blanks = "".join(" " if unicodedata.category(it) == "Zs" or it in _DRAWN_AS_NOTHING else it for it in shown)
    words = _SHAPING.sub(_needed, unicodedata.normalize("NFC", blanks)).strip().split(" ")
    return unicodedata.normalize("NFC", " ".join(word for word in words if word))


def _needed(run: re.Match[str]) -> str:
    """The shaping characters to keep: all between shaped characters, no joiner at their end, none elsewhere."""
    if not _is_shaped(run.string[run.start() - 1 : run.start()]):
        return ""
    if _is_shaped(run.string[run.end() : run.end() + 1]):
        return run[0]
    return "".join(it for it in run[0] if it not in JOINERS)


def _is_shaped(character: str) -> bool:
    """Whether it is a symbol, or of a script from Hebrew on: neither Latin, Greek nor Cyrillic."""
    return "\u0590" <= character < "\u2000" or character >= "\u2100"
