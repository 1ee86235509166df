"""The back office in the browser: built from `console/` when its sources changed, and served by the front door."""

import gzip
import hashlib
import mimetypes
import os
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Self
from urllib.parse import unquote

from infra.front import API_PATHS, SECURITY_HEADERS
from local.cloud import run
from local.deployment import ROOT
from local.errors import LocalCloudError

BUILT = ROOT / "build/console"
# Vite names these files by their content.
HASHED = "/assets/"
FOR_EVER = "public, max-age=31536000, immutable"
# The browser asks whether the file is unchanged each time.
REVALIDATED = "no-cache"
# CloudFront compresses files of these types from this size on. Fonts are compressed already.
# https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/ServingCompressedFiles.html
COMPRESSED = ("text/", "application/json", "image/svg+xml")
LEAST_COMPRESSED_BYTES = 1000


@dataclass(frozen=True)
class ConsoleFile:
    """A file of the back office as the front door sends it. `compressed` is its gzip form if it has one."""

    headers: list[tuple[str, str]]
    body: bytes
    compressed: bytes | None

    def answer(self, accept_encoding: str = "", if_none_match: str = "") -> tuple[int, list[tuple[str, str]], bytes]:
        """Returns status, headers and body for a request with these two headers, as CloudFront answers.

        It compresses for browsers that accept it, and answers 304 if the browser has this version.
        """
        # Compared as a whole: the browser sends back what it got, and may have got the weak form.
        if dict(self.headers)["ETag"] == if_none_match.removeprefix("W/"):
            return 304, self.headers, b""
        if self.compressed is None:
            return 200, self.headers, self.body
        if "gzip" not in accept_encoding:
            return 200, [*self.headers, ("Vary", "Accept-Encoding")], self.body
        # A compressed form is not the same bytes, so its tag is weak (RFC 9110, 8.8.1).
        headers = [(name, f"W/{value}" if name == "ETag" else value) for name, value in self.headers]
        return 200, [*headers, ("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding")], self.compressed


class ConsoleFiles:
    """The built files by path, in memory."""

    def __init__(self, files: Mapping[str, ConsoleFile]) -> None:
        self._files = files

    @classmethod
    def read(cls, folder: Path = BUILT) -> Self:
        """Reads all built files."""
        found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
        # Vite's list of the files is in a folder with a dot.
        served = {f"/{name}": path.read_bytes() for name, path in found.items() if not name.startswith(".")}
        return cls({name: _file(name, body) for name, body in served.items()})

    def at(self, target: str) -> ConsoleFile | None:
        """Returns the file for a request's path and query, or None if the API has to answer.

        A path without a file extension is a page, and index.html has all pages. An unknown file is for the API, which
        responds with 404.
        """
        path = unquote(target.partition("?")[0])
        if any(fnmatchcase(path, pattern) for pattern in API_PATHS):
            return None
        return self._files.get(path if "." in path.rpartition("/")[2] else "/index.html")


def _file(path: str, body: bytes) -> ConsoleFile:
    kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
    is_compressed = kind.startswith(COMPRESSED) and len(body) >= LEAST_COMPRESSED_BYTES
    compressed = gzip.compress(body, mtime=0) if is_compressed else None
    if kind.startswith("text/"):
        kind += "; charset=utf-8"
    cached = FOR_EVER if path.startswith(HASHED) else REVALIDATED
    # A browser would turn http://localhost into https for years.
    secure = [(name, value) for name, value in SECURITY_HEADERS.items() if name != "Strict-Transport-Security"]
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    return ConsoleFile([("Content-Type", kind), ("Cache-Control", cached), ("ETag", tag), *secure], body, compressed)


def build(folder: Path) -> ConsoleFiles:
    """Builds the back office if its sources changed since the last build, and returns its files.

    `folder` is for temporary files. Raises LocalCloudError, with one line that says why.
    """
    result = run(["make", "--silent", "console"], {**os.environ, "TMPDIR": str(folder)}, ROOT)
    if result.returncode != 0:
        raise LocalCloudError(_reason(result.stdout))
    return ConsoleFiles.read()


def _reason(output: str) -> str:
    """Returns the first line of npm or Vite that names an error."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    named = [line for line in lines if "error" in line.lower()]
    return (named or lines or ["no output"])[0][:200]
