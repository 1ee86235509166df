"""Renders a mail as text and as HTML, from `<purpose>.txt` and `<purpose>.html` in the folder of templates."""

import re
import string
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from oms.core import clock
from oms.core.texts import is_visible, without_ignored

_TEMPLATES = Path(__file__).parent / "templates"
# The dots of IDNA (RFC 3490, 3.1), and the characters that normalization turns into dots.
_DOTS = ".\u3002\uff0e\uff61\u2024\ufe52"
_DOT_WITHIN = re.compile(rf"(?<=\S)[{_DOTS}](?=([^\s{_DOTS}/:\\]+))")
# RFC 3986, section 3.1, with letters of all scripts.
_SCHEME = re.compile(r"([^\W\d_][\w+.-]*):(?=\S)")
# The position between two slashes, which begin a host or a Windows share.
_SLASHES = re.compile(r"(?<=[/\\])(?=[/\\])")
_BEHIND_DIGITS = re.compile(r"(?<![\d.])(\d{1,3}(?:\.\d{1,3}){3})[/:](?=\S)")


@dataclass(frozen=True)
class RenderedText:
    subject: str
    text: str
    html: str


def render(purpose: str, values: Mapping[str, Any]) -> RenderedText:
    """Returns the rendered mail. Raises an error of jinja2 if the templates need a value that is missing."""
    # The first line of the text is the subject. No value contains a line break, so none can add a header or a line.
    subject, _, text = _environment().get_template(f"{purpose}.txt").render(values).partition("\n")
    html = _environment().get_template(f"{purpose}.html").render(values, subject=subject)
    return RenderedText(subject, text.strip() + "\n", html)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        finalize=_one_line,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["visible"] = lambda text: text is not None and is_visible(text)
    environment.filters |= {"harmless": harmless, "day": _day, "moment": _moment, "address_lines": _address_lines}
    return environment


def _one_line(value: Any) -> Any:
    """Makes a printed value one line. Templates call it for each value. The output of a macro (Markup) consists of such
    values.
    """
    return on_one_line(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def on_one_line(text: str) -> str:
    """Returns the text without line breaks, control characters, invisible characters, and those that reverse text."""
    return "".join(" " if _breaks(character) else character for character in without_ignored(text))


def _breaks(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")


def harmless(text: str) -> str:
    """Returns a customer's text, changed so that no mail program shows a link or mark-up in it.

    It inserts a space after `scheme:` before a word, between slashes, and after a dot in a host name. It also inserts
    one before the path or port of a numeric address. `12/3`, `c/o`, `Tel:` and `12:30` stay. The result is empty if no
    visible text is left.
    """
    plain = "".join(" " if character in "<>" else character for character in on_one_line(text))
    for pattern, broken in ((_SCHEME, r"\1: "), (_SLASHES, " "), (_DOT_WITHIN, _apart), (_BEHIND_DIGITS, r"\1 ")):
        plain = pattern.sub(broken, plain)
    left = " ".join(plain.split())
    return left if is_visible(left) else ""


def _apart(dot: re.Match[str]) -> str:
    """Returns the dot, with a space after it if a top-level domain of any script may follow.

    No top-level domain begins with a digit or a punctuation mark, as in 9.30h, Prof.-Dr. and Co.,Ltd., and none has
    only one letter, as in J.R.R.
    """
    first, following = dot[1][0], dot[1].rstrip(string.punctuation)
    begins_none = first.isdecimal() or first in string.punctuation or unicodedata.category(first)[0] == "P"
    is_none = begins_none or (len(following) == 1 and following.isalpha())
    return dot[0] if is_none else f"{dot[0]} "


def _day(timestamp: str) -> str:
    moment = clock.local(clock.instant(timestamp))
    return f"{moment.day} {moment:%B %Y}"


def _moment(timestamp: str) -> str:
    moment = clock.local(clock.instant(timestamp))
    return f"{moment.day} {moment:%B %Y, %H:%M} {_zone(moment)}"


def _zone(moment: datetime) -> str:
    """Returns the abbreviation of the time zone, such as CET, or its offset from UTC if it has no abbreviation."""
    name = moment.tzname() or ""
    return name if name.isalpha() else f"UTC{moment:%:z}"


def _address_lines(address: Any) -> Iterator[str]:
    """Yields the lines of an order's shipping address that are not empty."""
    for line in (
        address.name,
        address.company,
        address.line1,
        address.line2,
        " ".join(part for part in (address.postal_code, address.city) if part),
        address.region,
        address.country,
    ):
        if line and harmless(line):
            yield line
