"""The files of the back office, as the front door serves them."""

import gzip
from pathlib import Path

import pytest

from local.console import ConsoleFiles


@pytest.fixture
def files(tmp_path: Path) -> ConsoleFiles:
    for name, content in {
        "index.html": "<!doctype html>",
        "icon.svg": "<svg/>",
        "assets/index-a1.js": "1",
        "assets/long-b2.js": "1;" * 1000,
        ".vite/manifest.json": "{}",
    }.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(content)
    return ConsoleFiles.read(tmp_path)


@pytest.mark.parametrize("path", ["/", "/orders", "/orders?status=pending", "/orders/0C8Z4V6T2R9QKX1M5N7P", "/a%20b"])
def test_each_page_is_the_one_html_file(files: ConsoleFiles, path: str) -> None:
    found = files.at(path)
    assert found is not None
    assert found.body == b"<!doctype html>"
    assert dict(found.headers)["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    "path", ["/api/v1/orders", "/api/v1/openapi.json", "/docs", "/health", "/openapi.json", "/.well-known/jwks.json"]
)
def test_the_paths_of_the_api_are_left_to_it(files: ConsoleFiles, path: str) -> None:
    assert files.at(path) is None


@pytest.mark.parametrize(
    "path", ["/assets/gone.js", "/.vite/manifest.json", "/../secret.txt", "/%2e%2e/secret.txt", "//etc/passwd.txt"]
)
def test_other_files_are_not_served(files: ConsoleFiles, path: str) -> None:
    assert files.at(path) is None


def test_files_have_types_and_the_policy_and_named_ones_are_cached_for_ever(files: ConsoleFiles) -> None:
    script, page = files.at("/assets/index-a1.js"), files.at("/")
    assert script is not None
    assert page is not None
    headers = dict(script.headers)
    assert headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert headers["Cache-Control"].endswith("immutable")
    policy = dict(page.headers)["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "Strict-Transport-Security" not in dict(page.headers), "it would force https upon localhost"


def test_long_scripts_are_compressed_for_browsers_that_accept_it(files: ConsoleFiles) -> None:
    script, short = files.at("/assets/long-b2.js"), files.at("/assets/index-a1.js")
    assert script is not None
    assert short is not None
    status, headers, body = script.answer("gzip, deflate, br")
    assert status == 200
    assert dict(headers)["Content-Encoding"] == "gzip"
    assert dict(headers)["Vary"] == "Accept-Encoding"
    assert gzip.decompress(body) == script.body
    assert script.answer()[2] == script.body
    assert dict(script.answer()[1])["Vary"] == "Accept-Encoding"
    assert "Content-Encoding" not in dict(short.answer("gzip")[1])


def test_a_browser_that_has_the_version_gets_no_body(files: ConsoleFiles) -> None:
    for path in ("/", "/assets/long-b2.js"):
        file = files.at(path)
        assert file is not None
        tag = dict(file.answer("gzip")[1])["ETag"]
        status, _, body = file.answer("gzip", tag)
        assert (status, body) == (304, b"")
        assert file.answer("", '"another"')[0] == 200
