"""Texts that people read: what is visible in them, and the one form of a name that is a key."""

import unicodedata

# Letters and symbols that are drawn as nothing: the Hangul fillers, braille without a dot, the null notehead, and two
# blanks of Egyptian hieroglyphs.
_DRAWN_AS_NOTHING = frozenset("\u115f\u1160\u3164\uffa0\u2800\U0001d159\U00013441\U00013442")
# Of the format characters those that join letters, as in Persian names and in emoji. The others show nothing, or turn
# text around.
JOINERS = "\u200c\u200d"


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
        raise ValueError("must have a visible character")
    return text


def key_name(text: str) -> str:
    """The one form of a name that is a key: NFC, no format characters but joiners, no blanks but one between words.

    Other white space stays: it is in no name, see `visible`.
    """
    shown = "".join(it for it in text if unicodedata.category(it) != "Cf" or it in JOINERS)
    blanks = "".join(" " if unicodedata.category(it) == "Zs" else it for it in shown)
    return unicodedata.normalize("NFC", " ".join(word for word in blanks.split(" ") if word))
