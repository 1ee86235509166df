"""The word lint: finds words that have a plainer replacement, in comments, docstrings, messages and documents.

It also finds a sentence that is written twice in a row, and some of the words in names that the code defines.

`python -m tests.support.words` lists all hits by the rules of `words.toml`, and fails if there are any. `PATH…` lists
those under these paths. `--count` prints the number of hits in each folder.
"""

import argparse
import ast
import io
import re
import subprocess
import sys
import tokenize
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[2]
LIST = Path(__file__).with_suffix(".toml")
PROSE_SUFFIXES = {".md", ".txt", ".html", ".yaml", ".css"}
SCRIPT_SUFFIXES = {".js", ".ts", ".tsx"}
SUFFIXES = PROSE_SUFFIXES | SCRIPT_SUFFIXES | {".py", ".json"}
# Texts in German.
OTHER_LANGUAGES = {"console/src/texts/de.ts"}
PROSE_FILES = {"Makefile", "pyproject.toml", ".ci/run"}
# Replaces code, character by character, so that lines stay where they are. No pattern matches it.
GAP = "\N{MIDDLE DOT}"
FENCE_OR_MARKUP = re.compile(r"^```.*?^```|\{\{.*?\}\}|\{%.*?%\}|</?\w[^>]*>", re.MULTILINE | re.DOTALL)
# Code in backticks, names of files, targets of links.
CODE = re.compile(r"`[^`\n]+`|(?<=\]\()[^)\s]+|[\w./-]+\.(?:md|py|json|html|txt|toml|yaml)\b|https?://\S+")
# Comments and strings of a script; everything between them is code.
SCRIPT_TEXT = re.compile(
    r"/\*.*?\*/|(?<!:)//[^\n]*|'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"|`(?:[^`\\]|\\.)*`", re.DOTALL
)
JSON_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')

REPEATED_SENTENCE = re.compile(rf"([A-Z][^.{GAP}]{{12,}}\.)\s+\1"), "the sentence once"

type Text = tuple[int, str]
"""The number of its first line, from 1, and the text."""


@dataclass(frozen=True)
class Rules:
    """`words`, and those of them that names must not have: (pattern, replacement). `allowed`: (files with wildcards,
    phrase).
    """

    words: list[tuple[re.Pattern[str], str]]
    allowed: list[tuple[str, re.Pattern[str]]]
    of_names: list[tuple[re.Pattern[str], str]] = field(default_factory=list)


def read_rules(path: Path = LIST) -> Rules:
    content = tomllib.loads(path.read_text())
    return Rules(
        [(phrase(it["pattern"]), it["use"]) for it in content["word"]],
        [(it["file"], phrase(re.escape(it["phrase"]))) for it in content["allowed"]],
        [(phrase(it["pattern"]), it["use"]) for it in content["word"] if it.get("names")],
    )


def phrase(pattern: str) -> re.Pattern[str]:
    """Returns the pattern without regard to case, a space of which matches a line break too."""
    return re.compile(re.sub(r"\\? ", r"\\s+", pattern), re.IGNORECASE)


def find_hits(file: str, source: str, rules: Rules) -> list[str]:
    """Returns a message for each hit, by line."""
    hits: list[tuple[int, str]] = []
    for first_line, text in texts_of(file, source):
        for pattern in (CODE, *(allowed for files, allowed in rules.allowed if fnmatchcase(file, files))):
            text = pattern.sub(_gap, text)
        for pattern, use in (*rules.words, REPEATED_SENTENCE):
            for match in pattern.finditer(text):
                line = first_line + text.count("\n", 0, match.start(pattern.groups))
                found = " ".join(match[pattern.groups].split())
                hits.append((line, f"instead of “{found}” write {use}"))
    for line, name in names_of(file, source):
        spaced = re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", name)
        hits += [(line, f"in the name {name}, use {use}") for pattern, use in rules.of_names if pattern.search(spaced)]
    return [f"{file}:{line}: {message}" for line, message in sorted(hits)]


def unused_allowances(sources: Iterable[tuple[str, str]], rules: Rules) -> list[str]:
    named = [(file, source) for file, source in sources if any(fnmatchcase(file, files) for files, _ in rules.allowed)]
    texts = [(file, text) for file, source in named for _, text in texts_of(file, source)]
    return [
        f"{LIST.name} allows “{pattern.pattern}” in {files}, where it is not found"
        for files, pattern in rules.allowed
        if not any(fnmatchcase(file, files) and pattern.search(text) for file, text in texts)
    ]


def texts_of(file: str, source: str) -> Iterator[Text]:
    """Yields the texts of a file that people read; none of a file of another kind."""
    suffix = PurePosixPath(file).suffix
    if file in OTHER_LANGUAGES:
        return
    if suffix == ".py":
        yield from _comments(source)
        yield from _strings(ast.parse(source))
    elif suffix == ".json":
        for number, line in enumerate(source.splitlines(), 1):
            strings = (match[0][1:-1] for match in JSON_STRING.finditer(line))
            yield from ((number, re.sub(r"\\n", "  ", text)) for text in strings if " " in text)
    elif suffix in SCRIPT_SUFFIXES:
        yield from _script_texts(source)
    elif suffix in PROSE_SUFFIXES or file in PROSE_FILES:
        yield 1, FENCE_OR_MARKUP.sub(_gap, source)


def names_of(file: str, source: str) -> Iterator[tuple[int, str]]:
    """Yields the line and the name of each definition of a Python file: function, class, argument, variable."""
    for node in ast.walk(ast.parse(source)) if file.endswith(".py") else ():
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.arg(arg=name):
                yield node.lineno, name
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, name


def _comments(source: str) -> Iterator[Text]:
    """Comments in consecutive lines are one text."""
    first_line, lines = 0, list[str]()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            if token.start[0] != first_line + len(lines):
                yield first_line, "\n".join(lines)
                first_line, lines = token.start[0], []
            lines.append(token.string.lstrip("#! "))
    yield first_line, "\n".join(lines)


def _strings(node: ast.AST) -> Iterator[Text]:
    """Strings of two words or more: others are names. In an f-string a gap replaces each value."""
    values: Sequence[ast.AST] = ()
    match node:
        case ast.Constant(value=str(text)):
            parts = [text]
        case ast.JoinedStr():
            values = [it for it in node.values if not isinstance(it, ast.Constant)]
            parts = [str(it.value) if isinstance(it, ast.Constant) else GAP for it in node.values]
        case _:
            parts, values = [], list(ast.iter_child_nodes(node))
    text = "".join(parts)
    if isinstance(node, ast.expr) and " " in text.strip():
        lines = (node.end_lineno or node.lineno) - node.lineno
        # Line breaks that are written as \n do not begin a line of the file.
        yield node.lineno, text if text.count("\n") == lines else text.replace("\n", "  ")
    for value in values:
        yield from _strings(value)


def _script_texts(source: str) -> Iterator[Text]:
    """Comments, and strings of two words or more. Texts of JSX are not found."""
    for match in SCRIPT_TEXT.finditer(source):
        if " " in match[0].strip():
            yield 1 + source.count("\n", 0, match.start()), match[0].strip("`")


def _gap(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", GAP, match[0])


def folder_of(file: str) -> str:
    """Returns the folder that a hit is counted for: a package of `oms`, a function, a tier of tests, or a folder."""
    return "/".join(PurePosixPath(file.replace("layers/shared/python/", "")).parent.parts[:2]) or file


def files_of_the_repository() -> list[tuple[str, str]]:
    """Path and content of the files that can have texts."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    names = (name for name in listed if PurePosixPath(name).suffix in SUFFIXES or name in PROSE_FILES)
    return [(name, (ROOT / name).read_text()) for name in sorted(names) if (ROOT / name).is_file()]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.support.words")
    parser.add_argument("--count", action="store_true", help="print the number of hits in each folder")
    parser.add_argument("paths", nargs="*", metavar="PATH", help="list all hits under these paths of the repository")
    options = parser.parse_args(arguments)
    rules, files = read_rules(), files_of_the_repository()
    if options.count:
        counts = Counter[str]()
        for file, source in files:
            counts[folder_of(file)] += len(find_hits(file, source, rules))
        print("\n".join(f"{count:6}  {folder}" for folder, count in sorted(counts.items())))
        print(f"{counts.total():6}  in total")
        return 0
    chosen = [(file, source) for file, source in files if file.startswith(tuple(options.paths or [""]))]
    listed = [hit for file, source in chosen for hit in find_hits(file, source, rules)]
    faults = [*listed, *unused_allowances(files, rules)]
    print("\n".join(faults) or "The word lint found nothing.")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
