"""Hooks of MkDocs: the order of the pages, pages that live outside docs/, and links to files without a page.

The index, docs/README.md, is the one list of pages: the navigation is read from it. A link to a page is checked by
MkDocs itself (`strict`), with its anchor; a link to any other file of the repository is checked here. The site has no
code, so such a link becomes plain text. Last, no page or style sheet may load anything from another host.
"""

import re
from pathlib import Path
from posixpath import dirname, join, normpath, relpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
# Pages of other folders of the repository, and their places in the site.
OUTSIDE = {
    "README.md": "overview.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "develop/contributing.md",
    "SECURITY.md": "operate/security.md",
    "benchmarks/README.md": "develop/benchmarks.md",
    "functions/docs/errors.md": "integrate/errors.md",
    "tests/README.md": "develop/tests.md",
}
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
# Pictures for light and dark are HTML, as Markdown has none.
PICTURE = re.compile(r'(<(?:img|source)\b[^>]*?\b(?:src|srcset)=")([^":]+)(")')
HEADING = re.compile(r"^## (.+)$")
ENTRY = re.compile(r"^- \[([^\]]+)\]\(([^)]+)\)")
FENCE = re.compile(r"^ *(`{3,}).*?^ *\1`*$", re.MULTILINE | re.DOTALL)
# A browser loads these without a click, unlike a link.
LOADED = re.compile(
    r"""<(?:link|script|img|iframe|source|video|audio|object|embed|use)\b[^>]*?\b(?:href|src|srcset|data)=["']?((?:https?:)?//[^"'\s>]+)"""
    r"""|(?:@import\s+|url\()\s*["']?((?:https?:)?//[^"'\s)]+)"""
)
CELL = re.compile(r"<td.*?</td>", re.DOTALL)
CODE = re.compile(r"<code>[^<]+")
BREAK = re.compile(r"(?<=[\w.>])(?=::)|(?<=\w[/_.])(?=\w)|(?<=::)(?=\w)")
COMMENT = re.compile(r"<!--.*?-->\n?", re.DOTALL)


def place(path: str) -> str:
    """Where the site has the file of this path in the repository, relative to the site's sources."""
    return OUTSIDE.get(path) or path.removeprefix("docs/")


def source(place: str) -> str:
    """The path in the repository of the page at this place."""
    return next((path for path, at in OUTSIDE.items() if at == place), f"docs/{place}")


def navigation(index: str) -> list[dict[str, list[dict[str, str]]]]:
    """The groups of the index with their pages: [{group: [{title: place}]}]"""
    groups: list[dict[str, list[dict[str, str]]]] = []
    pages: list[dict[str, str]] = []
    for line in index.splitlines():
        if heading := HEADING.match(line):
            pages = []
            groups.append({heading[1].partition(":")[0]: pages})
        elif entry := ENTRY.match(line):
            pages.append({entry[1][0].upper() + entry[1][1:]: place(normpath(join("docs", entry[2])))})
    return groups


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    config.nav = [
        {"Home": ["README.md", {"README": OUTSIDE["README.md"]}]},
        *navigation((ROOT / "docs/README.md").read_text()),
    ]
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    for path, at in OUTSIDE.items():
        files.append(File.generated(config, at, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, *, page: Page, files: Files, **_: object) -> str:
    path = source(page.file.src_uri)

    def link(match: re.Match[str]) -> str:
        image, text, target = match.groups()
        if re.match(r"https?:|mailto:|#", target):
            return match[0]
        to, _, anchor = target.partition("#")
        # The API serves it, and the site has no page of it: /docs/errors
        if to.startswith("/"):
            return text
        file = normpath(join(dirname(path), to))
        if not (ROOT / file).exists():
            raise PluginError(f"{path} links to {target}, and there is no {file}")
        if files.get_file_from_path(place(file)) is None:
            return text
        return f"{image}[{text}]({relpath(place(file), dirname(page.file.src_uri))}{'#' if anchor else ''}{anchor})"

    def picture(match: re.Match[str]) -> str:
        file = normpath(join(dirname(path), match[2]))
        if files.get_file_from_path(place(file)) is None:
            raise PluginError(f"{path} shows {match[2]}, and there is no {file}")
        return f"{match[1]}{relpath(place(file), dirname(page.file.src_uri))}{match[3]}"

    def adapted(text: str) -> str:
        return PICTURE.sub(picture, LINK.sub(link, COMMENT.sub("", text)))

    # Code keeps its brackets.
    parts, end = [], 0
    for fence in FENCE.finditer(markdown):
        parts += [adapted(markdown[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*parts, adapted(markdown[end:])])


def on_page_content(html: str, **_: object) -> str:
    """Lets code in tables, such as paths and names of tests, break after `/`, `.`, `_` and `::`, not within a word."""
    return CELL.sub(lambda cell: CODE.sub(lambda code: BREAK.sub("<wbr>", code[0]), cell[0]), html)


def on_post_build(*, config: MkDocsConfig) -> None:
    site = Path(config.site_dir)
    pages = [it for it in site.rglob("*") if it.suffix in (".html", ".css", ".svg")]
    named = {f"{it.relative_to(site)}: {''.join(host)}" for it in pages for host in LOADED.findall(it.read_text())}
    if named or not pages:
        raise PluginError("The site loads from other hosts: " + ", ".join(sorted(named)))
