"""What mails say, in text beside golden files, in HTML by what it must and must not hold."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from local.mail_preview import preview, sample_order, samples
from oms.mail.rendering import render

GOLDEN = Path(__file__).parent / "golden"
PURPOSES = sorted(samples())
# Control characters, a line break of another name, what turns the direction of writing around, mark-up, a link.
EVIL = "\x00\r\nBcc: eve@evil.example\u2028\u202e<a href='https://evil.example'>win</a>&"


class Page(HTMLParser):
    """The tags of a page with their attributes, and what a reader sees."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.seen = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.seen += data

    @property
    def links(self) -> list[str | None]:
        return [attributes["href"] for tag, attributes in self.tags if tag == "a"]


@pytest.mark.parametrize("purpose", PURPOSES)
def test_the_text_is_the_golden_one(purpose: str) -> None:
    """After a wanted change: `make mail-preview`, look, and take build/mails/*.txt over into golden/."""
    rendered = preview(purpose)

    assert f"{rendered.subject}\n\n{rendered.text}" == (GOLDEN / f"{purpose}.txt").read_text()


def test_every_golden_mail_is_one_that_is_sent() -> None:
    assert sorted(path.stem for path in GOLDEN.iterdir()) == PURPOSES


@pytest.mark.parametrize("purpose", PURPOSES)
def test_the_html_says_what_the_text_says(purpose: str) -> None:
    """Each number, date and name of the text: the words around them differ."""
    rendered = preview(purpose)
    page = Page(rendered.html)
    whole = page.seen + " ".join(str(link) for link in page.links)

    for fact in re.findall(r"\S*\d[\w.:#/-]*", rendered.text):
        assert fact in whole, fact
    assert "Alice" in page.seen


@pytest.mark.parametrize("purpose", PURPOSES)
def test_nothing_is_fetched_when_a_mail_is_opened_and_nothing_runs(purpose: str) -> None:
    page = Page(preview(purpose).html)

    assert {tag for tag, _ in page.tags} <= {
        *("html", "head", "meta", "title", "body", "table", "tr", "td", "h1", "h2", "p", "a", "b", "br", "span")
    }
    for _, attributes in page.tags:
        assert not {"src", "background", "class", "id"} & attributes.keys()
        assert "url(" not in (attributes.get("style") or "")


def test_an_order_mail_has_its_lines_amounts_and_address() -> None:
    for shown in (preview("order.created").text, Page(preview("order.created").html).seen):
        for said in (
            *("20261122-01K9ZQ3V7T", "22 November 2026", "22 November 2026, 10:11 UTC"),
            *("Brass Paper Clips, Box of 50", "OFF-CLP-BRAS", "100 ×", "8.40 EUR", "840.00 EUR"),
            *("944.70 EUR", "10.00 EUR", "954.70 EUR", "Alice Moreau", "69003 Lyon", "FR"),
        ):
            assert said in shown, said


@pytest.mark.parametrize(
    ("currency", "amounts"), [("JPY", ("500", "120", "620")), ("KWD", ("5.125", "0.500", "5.625"))]
)
def test_amounts_have_the_decimals_of_their_currency(currency: str, amounts: tuple[str, str, str]) -> None:
    subtotal, shipping, total = amounts
    order = sample_order(currency=currency, subtotal=subtotal, shipping_cost=shipping, total=total)

    text = preview("order.created", order=order).text

    width = max(map(len, amounts))
    for name, amount in zip(("Subtotal", "Shipping", "Total"), amounts, strict=True):
        assert f"\n{name:<8}  {amount:>{width}} {currency}\n" in text


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a26_what_people_wrote_adds_no_line_no_mark_up_and_no_link(purpose: str) -> None:
    plain = preview(purpose)
    values = samples()[purpose]
    if "order" in values:
        order = values["order"]
        address = order.shipping_address and order.shipping_address.model_copy(update={"name": EVIL, "line1": EVIL})
        shipment = order.shipment and order.shipment.model_copy(update={"carrier": EVIL, "tracking_number": EVIL})
        line = order.items[0].model_copy(update={"name": EVIL, "sku": EVIL})
        changes = {"items": [line, *order.items[1:]], "shipping_address": address, "shipment": shipment}
        reason = {"cancel_reason": order.cancel_reason and EVIL}
        values = values | {"order": order.model_copy(update=changes | reason)}
    if "webhook" in values:
        values = {"webhook": values["webhook"] | {"description": EVIL}}

    evil = preview(purpose, name=EVIL, **values)

    assert evil.subject == plain.subject
    assert len(evil.text.splitlines()) == len(plain.text.splitlines())
    assert Page(evil.html).tags == Page(plain.html).tags
    for character in "\x00\r\u2028\u202e":
        assert character not in evil.subject + evil.text + evil.html


def test_a26_of_a_name_and_an_address_no_url_is_left() -> None:
    address = dict.fromkeys(("line2", "region"), "") | dict.fromkeys(
        ("name", "line1", "city", "postal_code", "country"), "https://evil.example/win"
    )
    order = sample_order(shipping_address=address, cancel_reason="<https://evil.example/win>")

    mail = preview("order.cancelled", name="http://evil.example", order=order)

    assert "Hello http evil. example," in mail.text
    assert "Reason: https evil. example win\n" in mail.text
    assert "://" not in mail.text
    assert Page(mail.html).links == []


@pytest.mark.parametrize(
    "written",
    [
        *("www.evil.co.uk", "evil.xn--p1ai", "eve@evil.example", "a.\u200dio", "evil.example!"),
        # Letters that need their marks, and what is no letter.
        *("evil.भारत", "evil.कॉम", "हिन्दी.com", "पैसा.net", "win❤.ws", "win.❤", "evil.\u034fcom", "a.é\u0301"),
        *(f"evil{dot}example" for dot in "\u2024\ufe52\uff0e\u3002\uff61"),
    ],
)
def test_a26_no_name_of_a_host_is_left_that_a_mail_program_would_make_a_link_of(written: str) -> None:
    mail = preview("order.cancelled", name=written, order=sample_order(cancel_reason=written))

    said = mail.text.partition("Order ")[0]
    assert not re.search(r"\S[.\u2024\ufe52\uff0e\u3002\uff61]\S", said)


@pytest.mark.parametrize(
    "name",
    ["Zoë Ångström", "山田 太郎", "می‌خواهم", "O'Brien & Söhne", "J.R.R. Tolkien Jr.", "No. 3.5", "Jr., 3.5, etc..."],
)
def test_names_of_all_the_world_stay_as_they_are(name: str) -> None:
    mail = preview("order.confirmed", name=name)

    assert f"Hello {name},\n" in mail.text
    assert f"Hello {name}," in Page(mail.html).seen


def test_without_a_name_that_is_left_nobody_is_greeted_by_one() -> None:
    mail = preview("verify", name="")

    assert mail.text.startswith("Hello,\n")
    assert "Hello," in Page(mail.html).seen


@pytest.mark.parametrize("reason", ["gone", "failing"])
def test_an_owner_is_told_why_a_webhook_was_disabled(reason: str) -> None:
    webhook = samples()["webhook.disabled"]["webhook"] | {"disabled_reason": reason}
    mail = preview("webhook.disabled", webhook=webhook)

    for shown in (mail.text, Page(mail.html).seen):
        assert ("410 Gone" in shown) is (reason == "gone")
        assert ("17 November 2026, 03:12 UTC" in shown) is (reason == "failing")


def test_a_value_that_is_not_there_fails_before_anything_is_sent() -> None:
    with pytest.raises(UndefinedError):
        render("verify", {"name": "Ada", "shop": "shop.example", "public_url": "https://shop.example"})
