"""A21: no connection is opened to webhook addresses outside the public internet."""

import socket
from typing import Any

import pytest

from oms.webhooks import post, targets
from oms.webhooks.post import NoResponseError
from oms.webhooks.targets import ForbiddenTargetError, is_public, parse

PUBLIC_4, PUBLIC_6 = "93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"

# The kind of each, by the registries of special addresses (IANA) and the number formats of resolvers.
FORBIDDEN_ADDRESSES = {
    "private": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fc00::1", "fd12:3456::1"],
    "loopback": ["127.0.0.1", "127.255.255.254", "::1"],
    "link-local": ["169.254.0.1", "fe80::1", "fe80::1%eth0"],
    "metadata": ["169.254.169.254", "fd00:ec2::254", "169.254.170.2"],
    "this host": [
        "0.0.0.0",  # noqa: S104  nothing binds to it here
        "0.1.2.3",
        "::",
    ],
    "shared": ["100.64.0.1", "100.127.255.255"],
    "special": ["192.0.0.1", "192.0.0.9", "192.0.0.10", "192.88.99.1", "198.18.0.1", "198.19.255.255"],
    "sinks": ["192.31.196.1", "192.52.193.1", "192.175.48.1", "192.175.48.255", "2620:4f:8000::1"],
    "documentation": ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1", "3fff:fff::1"],
    "multicast": ["224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1"],
    "reserved": ["240.0.0.1", "255.255.255.255", "5f00::1", "4000::1", "e000::1", "fec0::1"],
    "mapped": ["::ffff:127.0.0.1", "::ffff:10.0.0.1", f"::ffff:{PUBLIC_4}", "::127.0.0.1", f"::{PUBLIC_4}"],
    "translated": ["64:ff9b::7f00:1", "64:ff9b::0a00:1", "64:ff9b:1::1"],
    "tunnelled": ["2002:7f00:1::1", "2002:0a00:1::1", "2001::1", "2001:10::1", "2001:1::1", "100::1"],
}
ADDRESSES = [pytest.param(it, id=f"{kind} {it}") for kind, them in FORBIDDEN_ADDRESSES.items() for it in them]

FORBIDDEN_URLS = [
    "http://example.com/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "//example.com/",
    "example.com",
    "https:example.com",
    "https://",
    "https:///path",
    "https://example.com:8443/",
    "https://example.com:80/",
    "https://example.com:0/",
    "https://example.com:99999/",
    "https://example.com:port/",
    "https://user@example.com/",
    "https://user:secret@example.com/",
    "https://@example.com/",
    "https://127.0.0.1@example.com/",
    "https://example.com@127.0.0.1/",
    "https://example.com\\@127.0.0.1/",
    "https://example.com/#fragment",
    "https://example.com/#",
    "https://2130706433/",
    "https://017700000001/",
    "https://0x7f000001/",
    "https://0x7f.1/",
    "https://127.1/",
    "https://127.0.1/",
    "https://0177.0.0.1/",
    "https://0x7f.0x0.0x0.0x1/",
    "https://134744072/",
    "https://0x08080808/",
    "https://1.1.1.1.1/",
    "https://example.1/",
    "https://example.0x1/",
    "https://-example.com/",
    "https://exam ple.com/",
    "https://example..com/",
    "https://.example.com/",
    "https://[::1/",
    "https://[::1]x/",
    "https://[v1.fe80]/",
    "https://ex%61mple.com/",
    "https://127.0.0.1%2f.example.com/",
    "https://exämple.com/",
    "https://１２７.０.０.１/",
    "https://ⓔxample.com/",
    "https://example。com/",
    "https://example.com/a b",
    "https://example.com/\r\nHost: evil",
    "https://example.com/\x00",
    "https://example.com/\x7f",
    f"https://{'a' * 64}.com/",
    f"https://{'a.' * 130}com/",
]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The addresses to which a socket would connect. None is connected."""
    seen: list[Any] = []

    def refuse(_self: socket.socket, address: Any) -> None:
        seen.append(address)
        raise ConnectionRefusedError("no connection in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    return seen


def send(url: str, *answers: list[str]) -> list[list[str]]:
    """Posts to the URL, whose name resolves to each of the answers in turn; returns the unused ones."""
    left = list(answers)
    with pytest.raises((ForbiddenTargetError, NoResponseError)):
        post.post(parse(url), b"{}", {}, resolve=lambda *_: left.pop(0))
    return left


@pytest.mark.parametrize("url", FORBIDDEN_URLS)
def test_a21_a_url_that_is_not_plainly_https_is_refused(url: str) -> None:
    with pytest.raises(ForbiddenTargetError):
        parse(url)


@pytest.mark.parametrize("address", ADDRESSES)
def test_a21_a_name_that_leads_to_a_forbidden_address_opens_no_socket(opened: list[Any], address: str) -> None:
    send("https://example.com/", [address])

    assert not is_public(address)
    assert opened == []


@pytest.mark.parametrize("address", ADDRESSES)
def test_a21_one_forbidden_address_among_good_ones_opens_no_socket(opened: list[Any], address: str) -> None:
    send("https://example.com/", [PUBLIC_4, PUBLIC_6, address])

    assert opened == []


@pytest.mark.parametrize("address", ADDRESSES)
def test_a21_an_address_in_the_url_is_checked_like_one_of_a_name(opened: list[Any], address: str) -> None:
    host = f"[{address}]" if ":" in address else address

    with pytest.raises(ForbiddenTargetError):
        post.post(parse(f"https://{host}/"), b"{}", {})

    assert opened == []


def test_a21_a_name_that_changes_after_the_check_is_not_resolved_again(opened: list[Any]) -> None:
    left = send("https://example.com/", [PUBLIC_4, PUBLIC_6], ["127.0.0.1"])

    assert opened == [(PUBLIC_4, 443), (PUBLIC_6, 443, 0, 0)]
    assert left == [["127.0.0.1"]]


@pytest.mark.parametrize("address", [PUBLIC_4, PUBLIC_6, "8.8.8.8", "1.1.1.1", "2a00:1450:4001:81b::200e"])
def test_a_public_address_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    ("url", "authority", "path"),
    [
        ("https://example.com", "example.com", "/"),
        ("https://EXAMPLE.com:443/hooks?a=1&b=%20", "example.com", "/hooks?a=1&b=%20"),
        ("https://xn--exmple-cua.com/x", "xn--exmple-cua.com", "/x"),
        ("https://example.com./", "example.com", "/"),
        ("https://hooks_1.example.com/", "hooks_1.example.com", "/"),
        (f"https://[{PUBLIC_6}]/", f"[{PUBLIC_6}]", "/"),
    ],
)
def test_a_plain_url_is_taken_apart(url: str, authority: str, path: str) -> None:
    target = parse(url)

    assert (target.authority, target.port, target.path) == (authority, 443, path)


def test_the_local_stage_may_go_where_others_must_not() -> None:
    target = parse("http://localhost:9000/hook", private=True)

    assert (target.authority, target.scheme) == ("localhost:9000", "http")
    assert targets.addresses_of(target, private=True, resolve=lambda *_: ["127.0.0.1"]) == ["127.0.0.1"]
    with pytest.raises(ForbiddenTargetError):
        parse("ftp://localhost/", private=True)
