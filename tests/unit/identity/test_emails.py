import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms.identity import emails


@pytest.mark.parametrize(
    "email",
    [
        "ada@example.org",
        "ada.lovelace+orders@sub.example.org",
        "jörg@bücher.example",
        "用户@例子.公司",
        "o'brien@example.org",
        "a@b.c",
        "x" * 64 + "@example.org",
    ],
)
def test_addresses_that_mail_can_be_sent_to_are_kept_as_given(email: str) -> None:
    assert emails.check(email) == email


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
        ".ada@example.org",
        "ada.@example.org",
        "a..da@example.org",
        "a@b@example.org",
        "a＠b@example.org",
        "a da@example.org",
        "ada@exam\u00a0ple.org",
        "ada\u200b@example.org",
        "ada\x00@example.org",
        "ada@example.org\n",
        "ada@example.org\r\nBcc: eve@example.org",
        "Ada <ada@example.org>",
        "ada@example.org,eve@example.org",
        '"ada"@example.org',
        "x" * 65 + "@example.org",
        "ada@" + "e" * 64 + ".org",
        "ä" * 33 + "@example.org",
        "\ufdfa" * 20 + "@example.org",
        "ada@" + ".".join(["e" * 60] * 5),
    ],
)
def test_everything_else_is_refused(email: str) -> None:
    with pytest.raises(ValueError, match="must be an e-mail address"):
        emails.check(email)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ada@Example.ORG", "ada@example.org"),
        ("ａda@example.org", "ada@example.org"),
        ("jo\u0308rg@example.org", "J\u00d6RG@example.org"),
        ("straße@example.org", "STRASSE@example.org"),
    ],
)
def test_addresses_that_people_take_for_one_are_one(one: str, other: str) -> None:
    assert emails.fold(one) == emails.fold(other)


@given(st.text(max_size=40))
def test_folding_is_done_once_and_for_all(text: str) -> None:
    assert emails.fold(emails.fold(text)) == emails.fold(text)
