"""The content of mails: the text compared with golden files, the HTML by its required and forbidden content."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from jinja2 import UndefinedError
from linkify_it import LinkifyIt

from local.mail_preview import preview, sample_order, samples
from oms.mail.rendering import harmless, render
from oms.orders.schemas import OrderEventData

GOLDEN = Path(__file__).parent / "golden"
PURPOSES = sorted(samples())
# Control characters, another kind of line break, a change of the writing direction, mark-up, a link.
EVIL = "\x00\r\nBcc: eve@evil.example\u2028\u202e\u2065<a href='https://evil.example'>win</a>&"


class Page(HTMLParser):
    """The tags of a page with their attributes, and its visible text."""

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
    """After an intended change: run `make mail-preview`, check, and copy build/mails/*.txt into golden/."""
    rendered = preview(purpose)

    assert f"{rendered.subject}\n\n{rendered.text}" == (GOLDEN / f"{purpose}.txt").read_text()


def test_every_golden_mail_is_one_that_is_sent() -> None:
    assert sorted(path.stem for path in GOLDEN.iterdir()) == PURPOSES


@pytest.mark.parametrize("purpose", PURPOSES)
def test_the_html_has_the_facts_of_the_text(purpose: str) -> None:
    """The HTML has each number, date and name of the text; the words around them differ."""
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
def test_a26_the_text_of_users_adds_no_line_no_mark_up_and_no_link(purpose: str) -> None:
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
    for character in "\x00\r\u2028\u202e\u2065":
        assert character not in evil.subject + evil.text + evil.html


def test_a26_of_a_name_and_an_address_no_url_is_left() -> None:
    address = dict.fromkeys(("line2", "region", "phone"), "") | dict.fromkeys(
        ("name", "company", "line1", "city", "postal_code", "country"), "https://evil.example/win"
    )
    evil = "<https://evil.example/win>"
    order = sample_order(shipping_address=address, cancel_reason=evil, purchase_order=evil)

    mail = preview("order.cancelled", name="http://evil.example", order=order)

    assert "Hello http: / /evil. example," in mail.text
    assert "Reason: https: / /evil. example/win\n" in mail.text
    assert "//" not in mail.text
    assert Page(mail.html).links == []


def written_by_customers(order: OrderEventData, text: str) -> OrderEventData:
    """Returns the order with this text in each field that its customer may write."""
    address = order.shipping_address and order.shipping_address.model_copy(
        update=dict.fromkeys(("name", "company", "line1", "line2", "city", "postal_code", "region", "country"), text)
    )
    texts = dict.fromkeys(("cancel_reason", "note", "purchase_order"), text)
    return order.model_copy(update={"shipping_address": address, **texts})


@pytest.mark.parametrize("purpose", PURPOSES)
@pytest.mark.parametrize(
    "link",
    ["https://evil.example/pay", "evil.example", "www.evil.example/x", "mailto:eve@evil.example", "//evil.example:80/"],
)
def test_a26_a_link_that_a_customer_wrote_is_one_in_no_mail(purpose: str, link: str) -> None:
    """Regardless of the field. A mail without a customer's text has no other link either."""
    values = samples()[purpose]
    if "order" in values:
        values = values | {"order": written_by_customers(values["order"], link)}

    plain, mail = preview(purpose), preview(purpose, name=link, **values)

    assert links_in(mail.subject + "\n" + mail.text) == links_in(plain.subject + "\n" + plain.text)
    seen = Page(mail.html)
    assert seen.links == Page(plain.html).links
    assert links_in(seen.seen) == links_in(Page(plain.html).seen)


@pytest.mark.parametrize("blank", [" ", "\u200b", "\n", "\u3164", " \u2800 ", "\u2065", "<>"], ids=ascii)
def test_a_reason_or_a_line_that_shows_nothing_is_left_out(blank: str) -> None:
    order = sample_order(cancel_reason=blank)
    assert order.shipping_address is not None
    without = order.shipping_address.model_copy(update={"line2": None, "region": None})
    blanks = order.shipping_address.model_copy(update={"line2": blank, "region": blank})

    said = preview("order.cancelled", order=order.model_copy(update={"shipping_address": blanks})).text

    plain = order.model_copy(update={"shipping_address": without, "cancel_reason": None})
    assert said == preview("order.cancelled", order=plain).text


# Texts that mail programs turn into links, by a detector that accepts host names without a scheme too.
LINKIFIER = LinkifyIt().tlds(["example"], keep_old=True)
PIECES = st.sampled_from(
    [
        *(
            "http",
            "https",
            "ftp",
            "mailto",
            "tel",
            "www",
            "evil",
            "example",
            "com",
            "de",
            "xn--p1ai",
            "рф",
            "localhost",
        ),
        *(":", "/", "//", "\\", ".", "\u3002", "\uff0e", "@", " ", "-", "?", "#", "<", ">", "(", ")", "[", "]", "&"),
        *("1", "10.0.0.1", "8080", "x", "\u200d", "\u200b", "\u00ad", "'", '"', ","),
    ]
)


def links_in(text: str) -> list[str]:
    return [it.text for it in LINKIFIER.match(text) or []]


def test_the_detector_finds_every_link() -> None:
    for link in ("http://evil.example/x", "www.evil.example", "evil.example", "//evil.com", "eve@evil.example"):
        assert links_in(f"Hello {link},") == [link]


@given(st.lists(PIECES, max_size=12).map("".join))
def test_a26_nothing_that_is_left_of_a_text_is_a_link(text: str) -> None:
    left = harmless(text)
    assert links_in(left) == []
    assert not re.search(r"//|\\\\|[a-zA-Z]:\S", left)
    assert harmless(left) == left


NUMBER, WORD = st.integers(1, 999).map(str), st.sampled_from(["Hauptstraße", "Collins Street", "Top", "Wien", "Box"])
HOUSE = st.lists(NUMBER, min_size=1, max_size=3).map("/".join)
ADDRESS_LINES = st.one_of(
    st.tuples(HOUSE, WORD).map(" ".join),
    st.tuples(WORD, HOUSE).map(" ".join),
    st.tuples(st.sampled_from(["c/o", "p/a", "Flat 3/F,", "A/B", "(M/L)", "Tel:", "No:", "Nr.", "St."]), WORD).map(
        " ".join
    ),
    st.tuples(st.sampled_from(["Hauptstr.", "Nr.", "Tel: +43 ", "Block A:"]), HOUSE).map("".join),
    st.tuples(NUMBER, NUMBER).map(lambda it: f"between {it[0]}:{it[1]} and {it[1]}.{it[0]}"),
)


@given(ADDRESS_LINES)
def test_what_addresses_are_written_with_stays_as_it_is(line: str) -> None:
    assume(not re.search(r"[^\W\d]:\d", line))
    assert harmless(line) == line


@pytest.mark.parametrize(
    "written",
    [
        *("www.evil.co.uk", "evil.xn--p1ai", "eve@evil.example", "a.\u200dio", "evil.example!"),
        # Letters that need their marks, and characters that are not letters.
        *("evil.भारत", "evil.कॉम", "हिन्दी.com", "पैसा.net", "win❤.ws", "win.❤", "evil.\u034fcom", "a.é\u0301"),
        # With characters before or after a host name.
        *(
            "evil.example/x",
            "x/evil.example",
            "evil.example:8080",
            "(evil.example)",
            "evil.example?q",
            "//evil.example/x",
        ),
        # Ordinary texts that could be host names.
        *("evil.x-y", "3.st", "co.kg", "g.москва", "evil.xn--p1ai-x"),
        *(f"evil{dot}example" for dot in "\u2024\ufe52\uff0e\u3002\uff61"),
    ],
)
def test_a26_no_name_of_a_host_is_left_that_a_mail_program_would_make_a_link_of(written: str) -> None:
    mail = preview("order.cancelled", name=written, order=sample_order(cancel_reason=written))

    said = mail.text.partition("Order ")[0]
    assert not re.search(r"\S[.\u2024\ufe52\uff0e\u3002\uff61]\S", said)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "Zoë Ångström",
            "山田 太郎",
            "می‌خواهم",
            "O'Brien & Söhne",
            "J.R.R. Tolkien Jr.",
            "No. 3.5",
            "Jr., 3.5, etc...",
        ),
        *("c/o Ada Lovelace (3/F)", "12/3 Collins Street", "Stiege 2/Top 14, Tel: +43 1 234", "A/B", "size (M/L)"),
        *("Hauptstr.4/1/12", "between 9:00 and 12:30", "3.5/2"),
        # A mark or a digit after the dot: titles, saints, company forms, houses, phones, times, amounts.
        *("Prof.-Dr. Huber", "Dipl.-Ing. Dr.-Ing. J.-Ph. Rameau", "St.-Georgs-Str. 5", "Bad St.-Leonhard"),
        *("Bd. St.\u2010Michel", "Co.,Ltd.", "Huber Inc.(USA)", "S.A.&Co. KG", 'Fa."Adler"', "Apt.#5B", "S.p.A.-N.V."),
        *("Hauptstr.12a", "Hauptstr.4-6", "Apt.5B", "кв.12б", "Nr.3½", "No.７ａ"),
        *("Tel.(01)234", "Tel.+43-1-234", "0664.123-456", "044.668.18.18"),
        *("10.00-12.00", "9.30h", "31.12.2026(Do)", "1.234,50€", "1.234.567,50 EUR", "3.5kg", "v2.0b"),
        *("Ges.m.b.H.", "e.V.", "S.à.r.l.", "A.Ş.", "ش.م.م", "N.º 5, 1.ª", "Ph.D."),
    ],
)
def test_names_of_all_the_world_stay_as_they_are(name: str) -> None:
    mail = preview("order.confirmed", name=name)

    assert f"Hello {name},\n" in mail.text
    assert f"Hello {name}," in Page(mail.html).seen


def test_a_city_is_alone_where_there_is_no_postal_code() -> None:
    order = sample_order()
    assert order.shipping_address is not None
    address = order.shipping_address.model_copy(update={"postal_code": None, "city": "Hong Kong"})

    mail = preview("order.created", order=order.model_copy(update={"shipping_address": address}))

    assert "\n    Hong Kong\n" in mail.text
    for said in (mail.text, mail.html):
        assert "None" not in said


@pytest.mark.parametrize("blank", ["", " ", "\u3164", "\u2800"], ids=ascii)
def test_a_name_or_a_description_that_shows_nothing_is_left_out(blank: str) -> None:
    """Earlier versions could store such a text."""
    webhook = samples()["webhook.disabled"]["webhook"]

    mail = preview("webhook.disabled", name=blank, webhook=webhook | {"description": blank})

    assert mail == preview("webhook.disabled", name="", webhook=webhook | {"description": None})
    assert mail.text.startswith("Hello,\n")
    assert "About" not in Page(mail.html).seen


def test_without_a_name_that_is_left_the_mail_greets_by_none() -> None:
    mail = preview("verify", name="")

    assert mail.text.startswith("Hello,\n")
    assert "Hello," in Page(mail.html).seen


@pytest.mark.parametrize("reason", ["gone", "failing"])
def test_an_owner_is_mailed_why_a_webhook_was_disabled(reason: str) -> None:
    webhook = samples()["webhook.disabled"]["webhook"] | {"disabled_reason": reason}
    mail = preview("webhook.disabled", webhook=webhook)

    for shown in (mail.text, Page(mail.html).seen):
        assert ("410 Gone" in shown) is (reason == "gone")
        assert ("17 November 2026, 03:12 UTC" in shown) is (reason == "failing")


def test_a_value_that_is_not_there_fails_before_anything_is_sent() -> None:
    with pytest.raises(UndefinedError):
        render("verify", {"name": "Ada", "shop": "shop.example", "public_url": "https://shop.example"})
