"""Each name of code in the pages for developers and integrators is defined in the code, with the arguments shown."""

import ast
import builtins
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    it
    for pattern in ("CONTRIBUTING.md", "docs/develop/*.md", "docs/integrate/*.md", "tests/*.md")
    for it in ROOT.glob(pattern)
    if it.name != "guards.md"  # written from the code, with test names
)
# Folders whose texts are names too: fields, statuses, settings, keys.
CODE = ("layers/shared/python", "functions", "infra", "local", "clients/python")
TOOLS = ("tests/support", "benchmarks")
# Names that the pages' own examples would add.
EXAMPLES = {
    "adding-a-field.md": {"weight_grams"},
    "CONTRIBUTING.md": {"common", "helpers", "utils"},
    "adding-a-consumer.md": {"crm"},
    "adding-a-filter.md": {"min_total"},
    "adding-a-mail.md": {"order.delivered.txt"},
    "adding-an-event.md": {"order.annotated"},
    "adding-an-order-status.md": {"lost"},
    "adding-a-route.md": {"shop_note", "annotate_order", "ShopNoteRequest"},
    "adding-a-setting.md": {"order_lines_limit", "ORDER_LINES_LIMIT"},
    # Arguments of tests: their fixtures, and the functions that a matrix of faults takes.
    "README.md": {"alone", "bulk", "no_sleep"},
    "faults.md": {"act", "begin", "cart", "no_sleep"},
    "exports.md": {"ZÃ¼rich"},
    "local-cloud.md": {"alone"},
    "sign-in.md": {"REFRESH"},
}
# Of Python, AWS, HTTP, JOSE, OpenAPI, and tools.
NAMES_OF_OTHERS = {
    *("CreateSchedule", "CreateStack", "InvalidArgument", "ListStackResources", "Scan"),
    *("ReportBatchItemFailures", "TRIM_HORIZON", "cron", "rate"),
    *("jku", "x5u", "crit"),
    *("APIGatewayHttpResolver", "Annotated", "Field", "Query", "UnicodeAttribute"),
    "dangerouslySetInnerHTML",  # of React, which the back office never uses
    *("add_metric", "deprecated", "curl", "standardwebhooks", "HYPOTHESIS_PROFILE"),
}
NAME = re.compile(r"(?:\w+\.)*[A-Za-z]\w+")
CALL = re.compile(r"((?:\w+\.)*[A-Za-z]\w+)\((.*)\)")


@dataclass
class Definitions:
    """The names that code defines, and the parameters (fields) of its functions (classes) by their names."""

    names: set[str] = field(default_factory=set)
    parameters: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def add(self, node: ast.AST, *, texts: bool) -> None:
        match node:
            case ast.ClassDef(name=name, body=body):
                self.names.add(name)
                own = {it.target.id for it in body if isinstance(it, ast.AnnAssign) and isinstance(it.target, ast.Name)}
                self.parameters[name] |= own
                self._assigned(body)
            case ast.FunctionDef(decorator_list=decorators) if any("fixture" in ast.unparse(it) for it in decorators):
                pass  # words of any kind
            case ast.FunctionDef(name=name, args=args):
                parameters = {it.arg for it in (*args.posonlyargs, *args.args, *args.kwonlyargs)}
                self.names |= {name, *(parameters if texts else ())}
                self.parameters[name] |= parameters | ({"**"} if args.kwarg else set())
            case ast.Module(body=body):
                self._assigned(body)
            case ast.Attribute(attr=name, ctx=ast.Store()) | ast.keyword(arg=str(name)) if texts:
                self.names.add(name)
            case ast.Constant(value=str(text)) if texts and re.fullmatch(r"[\w.]+", text):
                self.names.add(text)

    def _assigned(self, body: list[ast.stmt]) -> None:
        for it in body:
            match it:
                case ast.Assign(targets=targets):
                    self.names |= {name.id for name in ast.walk(ast.Tuple(targets)) if isinstance(name, ast.Name)}
                case ast.AnnAssign(target=ast.Name(id=name)) | ast.TypeAlias(name=ast.Name(id=name)):
                    self.names.add(name)


@cache
def definitions() -> Definitions:
    found = Definitions(NAMES_OF_OTHERS | set(dir(builtins)))
    for folder in (*CODE, *TOOLS):
        for path in (ROOT / folder).rglob("*.py"):
            found.names.add(path.stem)
            found.names.update(path.relative_to(ROOT).parent.parts)
            for node in ast.walk(ast.parse(path.read_text())):
                found.add(node, texts=folder in CODE)
    for path in (ROOT / "tests").rglob("test_*.py"):
        # Only constants and tests: the names of fixtures and of other functions of tests are words of any kind.
        found.names |= set(re.findall(r"\b[A-Z][A-Z0-9_]+\b|\btest_\w+", path.read_text()))
    return found


@cache
def script_names() -> set[str]:
    """Returns the words of the back office's TypeScript, without its comments and texts for people."""
    files = [*(ROOT / "console").glob("*.ts"), *(ROOT / "console/src").rglob("*.ts*")]
    sources = [it.read_text() for it in files if it.parent.name != "texts" and it.name != "schema.d.ts"]
    return {
        name for it in sources for name in re.findall(r"\w+", re.sub(r"/\*.*?\*/|//[^\n]*", "", it, flags=re.DOTALL))
    }


def code(page: Path) -> Iterator[str]:
    for token in MarkdownIt("commonmark").enable("table").parse(page.read_text()):
        for inner in token.children or ():
            if inner.type == "code_inline":
                yield inner.content


@pytest.mark.parametrize("page", PAGES, ids=lambda it: it.name)
def test_each_name_in_backticks_is_defined(page: Path) -> None:
    known = definitions().names | EXAMPLES.get(page.name, set())
    if page.name == "console.md":
        known |= script_names()

    named = {text.partition("(")[0] for text in code(page) if NAME.fullmatch(text) or CALL.fullmatch(text)}
    # test_docs.py has the files.
    unknown = {it for it in named if not re.search(r"\.(?:py|md|toml|json|yml|html|svg)$", it)}
    assert {it for it in unknown if it not in known and it.rpartition(".")[2] not in known} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda it: it.name)
def test_each_call_has_arguments_that_the_function_takes(page: Path) -> None:
    parameters = definitions().parameters

    wrong = []
    for text in code(page):
        if match := CALL.fullmatch(text):
            function = match[1].rpartition(".")[2]
            taken = parameters.get(function, {"**"})
            given = set(re.findall(r"(?:^|[ (*])(\w+)=", match[2])) - EXAMPLES.get(page.name, set())
            wrong += [f"{function}({it}=…)" for it in sorted(given - taken) if "**" not in taken]
    assert wrong == []


@pytest.mark.parametrize(
    "page", [it for it in PAGES if it.match("develop/*") and "```python" in it.read_text()], ids=lambda it: it.name
)
def test_each_name_in_an_example_in_python_is_defined(page: Path) -> None:
    for text in re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
        nodes = list(ast.walk(ast.parse(text)))
        own = Definitions(EXAMPLES.get(page.name, set()))
        for node in nodes:
            own.add(node, texts=False)
        stored = {it.id for it in nodes if isinstance(it, ast.Name) and isinstance(it.ctx, ast.Store)}
        imported = {it.asname or it.name.split(".")[0] for it in nodes if isinstance(it, ast.alias)}
        handled = {it.name for it in nodes if isinstance(it, ast.ExceptHandler) and it.name}
        read = {it.id for it in nodes if isinstance(it, ast.Name) and isinstance(it.ctx, ast.Load)}
        assert read - own.names - stored - imported - handled - definitions().names == set()
