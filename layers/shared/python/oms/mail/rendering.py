"""What a mail says, in text and in HTML, from the templates of its purpose: `<purpose>.txt` and `<purpose>.html`."""

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
# Those of IDNA (RFC 3490, 3.1), and those that normalization makes dots.
_DOTS = ".\u3002\uff0e\uff61\u2024\ufe52"
_DOT_WITHIN = re.compile(rf"(?<=\S)[{_DOTS}](?=([^\s{_DOTS}/:\\]+))")
# RFC 3986, section 3.1, with letters of all scripts.
_SCHEME = re.compile(r"([^\W\d_][\w+.-]*):(?=\S)")
# Between two of them: two begin a host, or a share of Windows.
_SLASHES = re.compile(r"(?<=[/\\])(?=[/\\])")
_BEHIND_DIGITS = re.compile(r"(?<![\d.])(\d{1,3}(?:\.\d{1,3}){3})[/:](?=\S)")


@dataclass(frozen=True)
class Rendered:
    subject: str
    text: str
    html: str


def render(purpose: str, values: Mapping[str, Any]) -> Rendered:
    """Raises jinja2's errors where the templates need a value that is not there."""
    # The text begins with the subject's line. No value has a line break in it, so none can add a header or a line.
    subject, _, text = _environment().get_template(f"{purpose}.txt").render(values).partition("\n")
    html = _environment().get_template(f"{purpose}.html").render(values, subject=subject)
    return Rendered(subject, text.strip() + "\n", html)


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
    """Of every value that a template prints. What a macro has made (Markup) consists of such values."""
    return one_line(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def one_line(text: str) -> str:
    """Without line breaks, control characters, what turns the direction of writing around, and what shows nothing."""
    return "".join(" " if _breaks(it) else it for it in without_ignored(text))


def _breaks(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")


def harmless(text: str) -> str:
    """What a customer wrote, for a mail: without what a mail program makes a link or mark-up of, and else as it is.

    Broken by a blank are `scheme:` before a word, slashes in a row, dots within a name of a host, and the path or port
    behind an address in digits. `12/3`, `c/o`, `Tel:` and `12:30` stay. Empty where nothing visible is left.
    """
    plain = "".join(" " if it in "<>" else it for it in one_line(text))
    for pattern, broken in ((_SCHEME, r"\1: "), (_SLASHES, " "), (_DOT_WITHIN, _apart), (_BEHIND_DIGITS, r"\1 ")):
        plain = pattern.sub(broken, plain)
    left = " ".join(plain.split())
    return left if is_visible(left) else ""


def _apart(dot: re.Match[str]) -> str:
    """A dot within a word, with a space behind it: a top-level domain may follow, in whatever script.

    None begins with a digit or a mark, as in 9.30h, Prof.-Dr. and Co.,Ltd., and none is of one letter, as in J.R.R.
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
    """Its abbreviation, such as CET; where the zone has none, how far it is from UTC."""
    name = moment.tzname() or ""
    return name if name.isalpha() else f"UTC{moment:%:z}"


def _address_lines(address: Any) -> Iterator[str]:
    """Of an order's shipping address, as its schema has it."""
    for line in (
        address.name,
        address.line1,
        address.line2,
        " ".join(it for it in (address.postal_code, address.city) if it),
        address.region,
        address.country,
    ):
        if line and harmless(line):
            yield line
