import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms.core import email_addresses


@pytest.mark.parametrize(
    ("given_as", "form"),
    [
        ("ada@example.org", "ada@example.org"),
        ("Ada.Lovelace+orders@Sub.Example.ORG", "Ada.Lovelace+orders@sub.example.org"),
        (" \tada@example.org\u00a0\r\n", "ada@example.org"),
        ("o'brien@example.org", "o'brien@example.org"),
        ("a@b.c", "a@b.c"),
        ("x" * 64 + "@example.org", "x" * 64 + "@example.org"),
        ("post@bücher.example", "post@xn--bcher-kva.example"),
        ("post@BU\u0308CHER.example", "post@xn--bcher-kva.example"),
        ("post@XN--BCHER-KVA.example", "post@xn--bcher-kva.example"),
        # IDNA 2008: a different domain; IDNA 2003 converted it to strasse.example.
        ("post@straße.example", "post@xn--strae-oqa.example"),
        ("post@strasse.example", "post@strasse.example"),
        ("ada@例子.公司", "ada@xn--fsqu00a.xn--55qx5d"),
        ("ada@ｅｘａｍｐｌｅ.org", "ada@example.org"),
        ("ada@example。org", "ada@example.org"),
        ("ada@\u212aelvin.example", "ada@kelvin.example"),
    ],
)
def test_an_address_has_one_form(given_as: str, form: str) -> None:
    assert email_addresses.canonical(given_as) == form
    assert email_addresses.canonical(form) == form
    assert email_addresses.deliverable(given_as) == form
    assert email_addresses.fold(given_as) == email_addresses.fold(form) == form.lower()


@pytest.mark.parametrize(
    "email",
    [
        "",
        "@",
        "ada",
        "ada@",
        "@example.org",
        "ada@localhost",
        "ada@example..org",
        "ada@.example.org",
        "ada@example.org.",
        "ada@-example.org",
        "ada@example-.org",
        "ada@exam_ple.org",
        ".ada@example.org",
        "ada.@example.org",
        "a..da@example.org",
        "a@b@example.org",
        "a＠b@example.org",
        "a da@example.org",
        "ada@exam\u00a0ple.org",
        "ada@exam\u200bple.org",
        "ada\u200b@example.org",
        "ada\x00@example.org",
        "ada@example.org\r\nBcc: eve@example.org",
        "Ada <ada@example.org>",
        "ada@example.org,eve@example.org",
        '"ada"@example.org',
        "x" * 65 + "@example.org",
        "ada@" + "e" * 64 + ".org",
        "ada@" + "é" * 60 + ".org",
        "ada@" + ".".join(["e" * 60] * 5),
        "ada@xn--abc.org",
        "ada@☃.example",
        "\ufdfa" * 20 + "@example.org",
    ],
)
def test_everything_else_is_refused(email: str) -> None:
    with pytest.raises(ValueError, match="must be an e-mail address"):
        email_addresses.canonical(email)


LOOK_ALIKES = [
    "\u212aim@example.org",  # the Kelvin sign, which folds to k
    "ｋim@example.org",
    "k\u0131m@example.org",  # the dotless i
    "K\u0130M@example.org",
    "jörg@example.org",
    "用户@example.org",
]


@pytest.mark.parametrize("email", LOOK_ALIKES)
def test_a26_a_local_part_that_no_mail_can_be_sent_to_is_refused_and_is_nobodys_key(email: str) -> None:
    with pytest.raises(ValueError, match="with only ASCII characters"):
        email_addresses.canonical(email)
    assert email_addresses.deliverable(email) is None
    assert not email_addresses.is_plausible(email_addresses.fold(email))


@given(st.text(max_size=40))
def test_folding_is_done_once_and_for_all(text: str) -> None:
    assert email_addresses.fold(email_addresses.fold(text)) == email_addresses.fold(text)


@given(st.text(max_size=12), st.text(max_size=12))
def test_addresses_with_one_key_have_one_mailbox(local: str, domain: str) -> None:
    """A key is ASCII, and differs from the mailed form in case only."""
    email = f"{local}@{domain}.example"
    folded = email_addresses.fold(email)
    if email_addresses.is_plausible(folded):
        sent_to = email_addresses.deliverable(email.strip())
        assert sent_to is not None
        assert sent_to.isascii()
        assert sent_to.lower() == folded


@pytest.mark.parametrize("email", ["a@exam_ple.org", "A_B@X_y.example"])
def test_keys_in_ascii_are_the_same_as_before_there_was_one_form(email: str) -> None:
    """So users whose addresses are no longer accepted can still sign in."""
    assert email_addresses.fold(email) == email.lower()
    assert email_addresses.is_plausible(email_addresses.fold(email))
    assert email_addresses.deliverable(email) == email


@pytest.mark.parametrize(
    ("email", "mailbox"),
    [
        ("Ada+Orders@example.org", "ada@example.org"),
        ("ada+1+2@example.org", "ada@example.org"),
        ("ada@example.org", "ada@example.org"),
        ("+ada@example.org", "+ada@example.org"),
    ],
)
def test_a26_a_tag_is_no_mailbox_of_its_own(email: str, mailbox: str) -> None:
    assert email_addresses.mailbox(email_addresses.fold(email)) == mailbox


@pytest.mark.parametrize(
    ("beginning", "folded"),
    [
        ("ADA", "ada"),
        (" ada@Exa", "ada@exa"),
        ("post@bücher.example", "post@xn--bcher-kva.example"),
        ("post@bücher.", "post@xn--bcher-kva."),
        ("post@stra\u00dfe", "post@xn--strae-oqa"),
        ("\u00c5sa", "\u00e5sa"),
        ("ada@☃", "ada@☃"),
    ],
)
def test_the_beginning_of_an_address_is_folded_as_addresses_are(beginning: str, folded: str) -> None:
    assert email_addresses.fold_prefix(beginning) == folded
