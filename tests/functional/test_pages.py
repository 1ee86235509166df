"""The pages for people at /docs: their files, content security policy and caching."""

import re
from html.parser import HTMLParser
from urllib.parse import urljoin

import pytest

from oms.core import errors
from oms.core.errors import OmsError
from tests.support.gateway import assert_problem, call
from tests.support.invocation import Answer

BASES = pytest.mark.parametrize("base", ["", "/api/v1"])
PAGES = ("/docs", "/docs/errors")
FILES = ("page.css", "page.js", "swagger-ui.css", "swagger-ui-bundle.js")
MEDIA_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}
CODES = {error.code for error in vars(errors).values() if isinstance(error, type) and issubclass(error, OmsError)}


class Elements(HTMLParser):
    """Each element of a page: its name and attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.all: list[tuple[str, dict[str, str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.all.append((tag, {name: value or "" for name, value in attrs}))


def elements(answer: Answer) -> list[tuple[str, dict[str, str]]]:
    return Elements(answer.text).all


def loaded(answer: Answer) -> list[str]:
    """Returns the addresses that a page loads without a click: scripts, style sheets, pictures."""
    return [
        attributes[name]
        for tag, attributes in elements(answer)
        for name in ("src", "href")
        if name in attributes and tag != "a"
    ]


@BASES
@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_html_for_anyone(cloud: None, base: str, path: str) -> None:
    answer = call("GET", f"{base}{path}", token="nonsense")

    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert answer.text.startswith("<!doctype html>")
    assert ("html", {"lang": "en"}) in elements(answer)


@BASES
@pytest.mark.parametrize("path", PAGES)
def test_the_files_that_a_page_loads_exist(cloud: None, base: str, path: str) -> None:
    folder = f"{base}{path}".rpartition("/")[0]

    for address in loaded(call("GET", f"{base}{path}")):
        if not address.startswith("data:"):
            file = call("GET", f"{folder}/{address}")
            assert (file.status, file.headers["Content-Type"]) == (200, MEDIA_TYPES[address.rpartition(".")[2]])


@BASES
@pytest.mark.parametrize("path", PAGES)
def test_the_head_of_a_page_leads_to_all_documents_and_marks_its_own(cloud: None, base: str, path: str) -> None:
    answer = call("GET", f"{base}{path}")

    links = [attributes for tag, attributes in elements(answer) if tag == "a" and attributes["href"][0] != "#"]
    targets = [urljoin(f"{base}{path}", link["href"]) for link in links[:4]]
    documents = [f"{base}{it}" for it in ("/docs", "/docs/errors", "/openapi.json", "/event-catalogue")]
    assert targets == documents
    assert all(call("GET", target).status == 200 for target in targets)
    assert [target for target, link in zip(targets, links, strict=False) if "aria-current" in link] == [f"{base}{path}"]
    assert "$" not in answer.text


@pytest.mark.parametrize("path", PAGES)
def test_a_page_names_no_other_host_and_has_nothing_inline(cloud: None, path: str) -> None:
    answer = call("GET", path)

    assert all(re.match(r"[a-z./-]+$|data:,$", address) for address in loaded(answer))
    for tag, attributes in elements(answer):
        assert tag != "style"
        assert tag != "script" or "src" in attributes
        assert not [name for name in attributes if name == "style" or name.startswith("on")]


@pytest.mark.parametrize("name", FILES[:3])
def test_a_style_sheet_or_own_script_names_no_other_host(cloud: None, name: str) -> None:
    text = call("GET", f"/docs/{name}").text

    # The rest are names of XML vocabularies, inside pictures in the style sheet.
    assert set(re.findall(r"https?://[\w./-]+", text)) <= {"http://www.w3.org/2000/svg"}
    assert all(address.startswith("data:") for address in re.findall(r"url\([\"']?([^)\"']+)", text))


@pytest.mark.parametrize("path", [*PAGES, *(f"/docs/{name}" for name in FILES)])
def test_the_policy_allows_this_origin_alone_and_nothing_inline(cloud: None, path: str) -> None:
    headers = call("GET", path).headers

    rules = dict(rule.strip().split(" ", 1) for rule in headers["Content-Security-Policy"].split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"
    assert rules["img-src"] == "'self' data:"
    assert rules["frame-ancestors"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize("path", [*PAGES, *(f"/docs/{name}" for name in FILES)])
def test_a_page_may_be_cached_and_has_a_tag_of_its_content(cloud: None, path: str) -> None:
    first, again = call("GET", path), call("GET", path)

    assert first.headers["Cache-Control"] == "public, max-age=300"
    assert re.fullmatch(r'W/"[0-9a-f]{32}"', first.headers["ETag"])
    assert again.headers["ETag"] == first.headers["ETag"]
    assert len(first.text) < 4_000_000  # Lambda answers at most 6 MB of JSON


@pytest.mark.parametrize("known", ["W/{}", "{}", '"other", W/{}'])
def test_a_page_that_the_client_has_is_not_sent_again(cloud: None, known: str) -> None:
    tag = call("GET", "/docs").headers["ETag"]

    again = call("GET", "/docs", headers={"If-None-Match": known.format(tag.removeprefix("W/"))})
    other = call("GET", "/docs", headers={"If-None-Match": '"other"'})

    assert (again.status, again.text, again.headers["ETag"]) == (304, "", tag)
    assert again.headers["Cache-Control"] == "public, max-age=300"
    assert other.status == 200


def test_each_error_code_has_its_place_on_the_page_of_errors(cloud: None) -> None:
    rows = [attributes for tag, attributes in elements(call("GET", "/docs/errors")) if tag == "tr"]

    assert {attributes["id"] for attributes in rows if attributes} == CODES


@BASES
@pytest.mark.parametrize("name", ["layout.html", "reference.html", "handler.py", "openapi.json", "..", "VERSION"])
def test_no_other_file_is_served(cloud: None, base: str, name: str) -> None:
    assert_problem(call("GET", f"{base}/docs/{name}"), 404, "not-found")
