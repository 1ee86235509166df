"""The word lint: it finds a word in every kind of text that people read, and none in code."""

import re
from pathlib import Path

import pytest

from tests.support import words
from tests.support.words import GAP, Rules, find_hits, main, phrase, read_rules

RULES = read_rules()
TEXTS = {
    "a comment": ("a.py", "x = 1\ny = 2  # It is read anew.", [2]),
    "a comment over two lines": ("a.py", "# It sends so\n# many of them.", [1]),
    "two comments": ("a.py", "# Sent anew.\nx = 1\n# Sent anew.", [1, 3]),
    "a docstring": ("a.py", '"""One line.\n\nThe row is\n  set aside.\n"""', [4]),
    "a message": ("a.py", 'raise ValueError("must be sent anew")', [1]),
    "a message in two parts": ("a.py", 'raise ValueError(\n    "there are so "\n    "many")', [2]),
    "an f-string": ("a.py", 'raise ValueError(f"{day} is no day: see {page}")', [1]),
    "a string within an f-string": ("a.py", "print(f\"{'so many' if x else ''}\")", [1]),
    "help of a command": ("a.py", 'parser.add_argument("--day", help="whatever day it is")', [1]),
    "a description of OpenAPI": (
        "functions/docs/openapi.json",
        '{\n  "description": "Nobody reads\\nit anew."\n}',
        [2, 2],
    ),
    "a value of cdk.json": ("cdk.json", '{"note": "read \\"it\\" anew"}', [1]),
    "a paragraph": ("docs/a.md", "# Title\n\nIt is sent\nanew.", [4]),
    "help of make": ("Makefile", "up: ## Start all anew\n\trun", [1]),
    "a comment of the build": ("pyproject.toml", "# Sent anew.", [1]),
    "a mail": ("a/templates/b.html", "<p>{{ name }}, ask\nanew</p>", [2]),
    "the start of a sentence": ("docs/a.md", "It ends.\nWho asks gets `x`.", [2, 2]),
    "a repeated sentence": ("docs/a.md", "\n".join(["Returns the export of a run."] * 2), [1]),
    "a comment of a script": ("a.ts", "/** Read\n * anew. */\nlet x = 1 // sent anew", [2, 3]),
    "a string of a script": ("a.tsx", "const x = { lead: 'It is read anew.' }", [1]),
    "a function": ("a.py", "def read_anew(): ...", [1]),
    "a class": ("a.py", "class RingBuffer: ...", [1]),
    "an argument": ("a.py", "def f(\n    set_aside): ...", [2]),
    "a variable": ("a.py", "anew = {}", [1]),
    "an attribute": ("a.py", "self._at_hand = 1", [1]),
    "a clause as a docstring": ("a.py", '"""How a lease ends."""', [1]),
    "a list": ("docs/a.md", "- What is wrong: all.\n- what else fails.", [1, 2]),
}
NOT_TEXTS = {
    "a name that is used": ("a.py", "x = mend(ring)['book'].nobody"),
    "a name of a rule": ("a.py", "def test_a_tag_is_no_mailbox(): ..."),
    "a clause after a question word": ("docs/a.md", "How it works: it sends. Where there is none, it waits."),
    "a string of one word": ("a.py", 'x["book"] = "nobody"'),
    "a value of an f-string": ("a.py", 'f"the {book} has it"'),
    "code in a comment": ("a.py", "# `so many` and ``anew`` are names, docs/stock-book.md is a page."),
    "code in a paragraph": (
        "docs/a.md",
        "See `whatever book` in [the page](stock-book.md#anew) and https://a.example/book",
    ),
    "a block of code": ("docs/a.md", "```\nring anew\n```"),
    "a key of JSON": ("events/a.json", '{"book": "nobody"}'),
    "a value in a mail": ("a.txt", "{{ book }}{% if nobody %}{% endif %}"),
    "a tag": ("a.html", '<p class="book">Text</p>'),
    "a file that has no texts": ("a.lock", "anew"),
    "code of a script": ("a.ts", "function mend(ring) { return anew }"),
    "a text in German": ("console/src/texts/de.ts", "lead: 'Ein anew'"),
    "a question": ("docs/a.md", "What is it? Who did it?"),
    "an allowed verb": ("docs/a.md", "It stands for the key. There is no limit. It is no longer read."),
}


@pytest.mark.parametrize(("file", "source", "lines"), TEXTS.values(), ids=TEXTS)
def test_a_word_is_found_in(file: str, source: str, lines: list[int]) -> None:
    hits = find_hits(file, source, RULES)

    assert [int(hit.split(":")[1]) for hit in hits] == lines, hits


@pytest.mark.parametrize(("file", "source"), NOT_TEXTS.values(), ids=NOT_TEXTS)
def test_no_word_is_found_in(file: str, source: str) -> None:
    assert find_hits(file, source, RULES) == []


def test_a_hit_names_the_place_the_words_and_the_replacement() -> None:
    assert find_hits("a.py", "# Sent\n# so\n#  many times.", RULES) == [
        "a.py:2: instead of “so many” write the number: “this number of …”"
    ]


def test_no_replacement_is_itself_a_hit() -> None:
    assert [hit for _, use in RULES.words for hit in find_hits("use.md", use, RULES)] == []


def test_no_pattern_matches_the_gap_that_replaces_code() -> None:
    assert not any(pattern.search(GAP * 9) for pattern, _ in RULES.words)


def test_an_allowed_phrase_is_allowed_in_its_files_and_not_beside_it() -> None:
    rules = Rules(RULES.words, [("docs/*.md", phrase(re.escape("an open book")))])

    assert find_hits("docs/a.md", "It is an\nopen book.", rules) == []
    assert len(find_hits("docs/a.md", "It is an open book, as a book is.", rules)) == 1
    assert len(find_hits("README.md", "It is an open book.", rules)) == 1


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    files = {
        "layers/shared/python/oms/core/clock.py": "# Read anew.\n# And anew.",
        "functions/orders/handler.py": "x = 1",
        "README.md": "Sent anew.",
    }
    monkeypatch.setattr(words, "files_of_the_repository", lambda: list(files.items()))
    return files


@pytest.fixture
def no_allowances(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "read_rules", lambda: Rules(RULES.words, []))


@pytest.mark.usefixtures("no_allowances")
def test_any_hit_fails(repository: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 1
    assert capsys.readouterr().out.splitlines()[-1].startswith("README.md:1: instead of “anew”")

    del repository["README.md"], repository["layers/shared/python/oms/core/clock.py"]
    assert main([]) == 0


@pytest.mark.usefixtures("repository", "no_allowances")
def test_all_hits_under_a_path_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["layers"]) == 1
    assert len(capsys.readouterr().out.splitlines()) == 2


@pytest.mark.usefixtures("repository", "no_allowances")
def test_hits_are_counted_by_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--count"]) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["1", "README.md"],
        ["0", "functions/orders"],
        ["2", "oms/core"],
        ["3", "in", "total"],
    ]


def test_an_allowed_phrase_that_no_file_has_fails(
    repository: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = Rules([], [("README.md", phrase("an open book"))])
    monkeypatch.setattr(words, "read_rules", lambda: rules)
    assert main([]) == 1
    assert "README.md, where it is not found" in capsys.readouterr().out

    repository["README.md"] = "It is an open book."
    assert main([]) == 0


def test_every_allowed_phrase_has_a_reason() -> None:
    assert all(it["reason"].endswith(".") for it in words.tomllib.loads(Path(words.LIST).read_text())["allowed"])
