from dataclasses import replace

import pytest

from oms.core.secret_store import Reloaded
from oms.core.settings import settings
from oms.http import client_address as addresses
from oms.http.client_address import client_address


@pytest.fixture(autouse=True)
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Counts the fetches of the origin secret."""
    fetches: list[str] = []

    def fetch() -> str:
        fetches.append("fetch")
        return "s3cret"

    monkeypatch.setattr(addresses, "ORIGIN_SECRET", Reloaded(fetch))
    return fetches


@pytest.mark.parametrize(
    ("viewer", "address"),
    [
        ("203.0.113.7:46532", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6:46532", "2001:db8:1:2::/64"),
        ("2001:db8::1:46532", "2001:db8::/64"),
        ("[2001:db8:1:2::9]:46532", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7:46532", "203.0.113.7"),
    ],
)
def test_behind_the_front_the_viewer_counts(viewer: str, address: str) -> None:
    headers = {"x-origin-secret": "s3cret", "cloudfront-viewer-address": viewer}

    assert client_address("198.51.100.1", headers) == address


@pytest.mark.parametrize("secret", ["", "s3cre", "s3cret ", "S3CRET", "é", "\ud800"])
@pytest.mark.parametrize("viewer", ["203.0.113.7:46532"])
def test_without_the_exact_secret_the_source_counts(secret: str, viewer: str) -> None:
    headers = {"x-origin-secret": secret, "cloudfront-viewer-address": viewer, "x-forwarded-for": "203.0.113.8"}

    assert client_address("198.51.100.1", headers) == "198.51.100.1"


@pytest.mark.parametrize("viewer", ["", "203.0.113.7", "nonsense:1", "203.0.113.7, 1.2.3.4:5", "203.0.113.300:5"])
def test_a_viewer_that_is_no_address_is_left_aside(viewer: str) -> None:
    headers = {"x-origin-secret": "s3cret", "cloudfront-viewer-address": viewer}

    assert client_address("198.51.100.1", headers) == "198.51.100.1"


def test_the_secret_is_fetched_only_for_requests_with_one_and_then_once(fetched: list[str]) -> None:
    client_address("198.51.100.1", {"cloudfront-viewer-address": "203.0.113.7:1"})
    assert fetched == []

    for guess in ("a", "b", "s3cret"):
        client_address("198.51.100.1", {"x-origin-secret": guess})
    assert fetched == ["fetch"]


def test_a_deployment_without_a_front_trusts_no_header(monkeypatch: pytest.MonkeyPatch, fetched: list[str]) -> None:
    monkeypatch.setattr(addresses, "settings", lambda: replace(settings(), origin_secret=""))

    headers = {"x-origin-secret": "", "cloudfront-viewer-address": "203.0.113.7:1"}
    assert client_address("198.51.100.1", headers | {"x-origin-secret": "x"}) == "198.51.100.1"
    assert client_address("198.51.100.1", headers) == "198.51.100.1"
    assert fetched == []


@pytest.mark.parametrize(
    ("source", "address"),
    [("2001:db8::1", "2001:db8::/64"), ("::1", "::/64"), ("fe80::1%eth0", "fe80::/64"), ("junk", "unknown")],
)
def test_every_source_has_one_form(source: str, address: str) -> None:
    assert client_address(source, {}) == address
