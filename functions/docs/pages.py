"""Pages for people: the API reference, which is Swagger UI on openapi.json, and the page of errors.

A page loads only files of this function: its policy allows no other host, and no inline script or style.
"""

import hashlib
import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Template

from aws_lambda_powertools.event_handler import Response
from markdown_it import MarkdownIt

from oms.core.errors import NotFoundError
from oms.http import api

_HERE = Path(__file__).parent
_ERRORS = _HERE / "errors.md"
_OWN = _HERE / "page"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_MAX_AGE_SECONDS = 300
_MEDIA_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
_OWN_FILES = ("page.css", "page.js")
_RENDERER_FILES = ("swagger-ui.css", "swagger-ui-bundle.js")


@dataclass(frozen=True)
class _Content:
    media_type: str
    text: str
    etag: str

    @classmethod
    def of(cls, suffix: str, text: str) -> "_Content":
        digest = hashlib.sha256(text.encode()).hexdigest()[:32]
        return cls(f"{_MEDIA_TYPES[suffix]}; charset=utf-8", text, f'W/"{digest}"')


def reference() -> Response[str]:
    return _answer(_reference())


def errors() -> Response[str]:
    return _answer(_errors())


def file(name: str) -> Response[str]:
    """Returns a script or style sheet of the pages. Raises NotFoundError for any other name."""
    if name not in _OWN_FILES + _RENDERER_FILES:
        raise NotFoundError("Path not found. See /openapi.json for all paths.")
    return _answer(_file(name))


def _answer(content: _Content) -> Response[str]:
    api.answer_header("Cache-Control", f"public, max-age={_MAX_AGE_SECONDS}")
    api.answer_header("Content-Security-Policy", _POLICY)
    api.answer_header("Referrer-Policy", "no-referrer")
    api.answer_header("ETag", content.etag)
    return Response(200, content.media_type, content.text)


@cache
def _file(name: str) -> _Content:
    folder = _renderer() if name in _RENDERER_FILES else _OWN
    return _Content.of(Path(name).suffix, (folder / name).read_text("utf-8"))


def _renderer() -> Path:
    """Returns the folder of Swagger UI's files in the package flask-swagger-ui. The package's code is not run."""
    found = importlib.util.find_spec("flask_swagger_ui")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError("The package flask-swagger-ui is missing: see requirements/runtime.txt.")
    return Path(found.submodule_search_locations[0]) / "dist"


@cache
def _reference() -> _Content:
    return _page(
        title="API reference",
        on_reference=_CURRENT,
        root="",
        docs="docs/",
        # It must be before page.css, which overrides parts of it.
        more_styles='<link rel="stylesheet" href="docs/swagger-ui.css">\n',
        content=(_OWN / "reference.html").read_text("utf-8"),
    )


@cache
def _errors() -> _Content:
    content = f'<div class="text">\n{_html(_ERRORS.read_text("utf-8"))}</div>'
    return _page(title="Errors", on_errors=_CURRENT, root="../", docs="", content=content)


_CURRENT = ' aria-current="page"'
_LAYOUT_DEFAULTS = {"on_reference": "", "on_errors": "", "more_styles": ""}


def _page(**parts: str) -> _Content:
    """Returns a page in the common layout. `root` and `docs` are relative paths to the API's root and to the pages'
    files.
    """
    layout = Template((_OWN / "layout.html").read_text("utf-8"))
    return _Content.of(".html", layout.substitute(_LAYOUT_DEFAULTS, **parts))


def _html(markdown: str) -> str:
    """Returns the page's content. A table row that begins with a code has the code as its id."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(markdown)
    for row, _, first in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if row.type == "tr_open" and first.children and first.children[0].type == "code_inline":
            row.attrSet("id", first.children[0].content)
    return str(parser.renderer.render(tokens, parser.options, {}))
