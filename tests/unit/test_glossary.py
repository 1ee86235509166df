"""The glossary: one meaning for each term, of code that exists, and the words that the word lint finds."""

import re
from collections import Counter

from tests.support.words import ROOT, find_hits, read_rules

PAGE = (ROOT / "docs/glossary.md").read_text()
ROWS = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in PAGE.splitlines() if line.startswith("|")]
TERMS = [row for row in ROWS if len(row) == 3 and row[0] != "term"]
UNUSED = [row for row in ROWS if len(row) == 2 and row[0] != "not"]
PLACES = {"oms": "layers/shared/python/oms", "functions": "functions", "infra": "infra", "local": "local"}


def test_each_term_has_one_row() -> None:
    assert len(TERMS) > 80
    assert [term for term, count in Counter(row[0].casefold() for row in TERMS).items() if count > 1] == []


def test_each_meaning_is_one_sentence() -> None:
    assert [meaning for _, meaning, _ in TERMS if not re.fullmatch(r"[A-Z][^.]*(?:`[^`]*`[^.]*)*\.", meaning)] == []


def test_each_module_exists() -> None:
    modules = [code.strip("` ") for *_, code in TERMS]
    folders = [(module, PLACES[module.split("/")[0]] + "/" + module.split("/", 1)[1]) for module in modules]

    assert [module for module, path in folders if not (ROOT / path).is_file()] == []


def test_each_module_contains_the_words_of_its_term() -> None:
    """In any form: `LimitedCounter`, `on_hand`, "dead-letter queue"."""
    missing = []
    for term, _, code in TERMS:
        folder, _, path = code.strip("` ").partition("/")
        letters = re.sub(r"[^a-z]", "", (ROOT / PLACES[folder] / path).read_text().lower())
        missing += [term for word in re.findall(r"[a-z]+", term.lower()) if word.removesuffix("s") not in letters]

    assert missing == []


def test_the_word_lint_finds_each_word_that_is_not_used() -> None:
    phrases = [phrase for words, _ in UNUSED for phrase in re.findall(r"`([^`]+)`", words)]

    assert [phrase for phrase in phrases if not find_hits("page.md", f"{phrase} ", read_rules())] == []


def test_each_word_of_the_word_lint_has_a_row() -> None:
    phrases = [phrase for words, _ in UNUSED for phrase in re.findall(r"`([^`]+)`", words)]

    assert [
        pattern.pattern for pattern, _ in read_rules().words if not any(pattern.search(phrase) for phrase in phrases)
    ] == []


def test_the_page_uses_none_of_these_words() -> None:
    assert find_hits("docs/glossary.md", PAGE, read_rules()) == []
