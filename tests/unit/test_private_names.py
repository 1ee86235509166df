"""Private names of libraries: each is used in one module, which names it, and a test says what depends on it.

ministack's are in `local/emulator` and are tested by `tests/integration/test_workers.py`.
"""

import ast
import http.client
import importlib
import io
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.event_handler.api_gateway import Router
from pynamodb.attributes import UnicodeAttribute
from pynamodb.models import Model

import oms
from oms.http.powertools import routes_by_precedence, routes_of
from tests.support.invocation import Context

ROOT = Path(__file__).parents[2]
FOLDERS = ("layers", "functions", "infra", "local")
# The modules that may use private names of a library, and which.
ALLOWED = {
    "layers/shared/python/oms/http/powertools.py": {"_static_routes", "_dynamic_routes"},
    "layers/shared/python/oms/core/dynamodb.py": {"_get_connection"},
    "layers/shared/python/oms/webhooks/post.py": {"_read_status"},
    "local/emulator/workers.py": {"_resolve_layer_zip", "_spawn", "_LAMBDA_LAYERS_DIRS"},
}
# Documented in spite of their names: https://docs.python.org/3/library/collections.html#collections.somenamedtuple._make
# and https://docs.python.org/3/library/os.html#os._exit
PUBLIC = {"_asdict", "_replace", "_fields", "_make", "_exit"}


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name.strip("_") != "" and name not in PUBLIC


def foreign_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The lines in which a module uses a private name of something that is not its own, and the names.

    Its own are what it defines itself, on an object that has a name: `self._clock`, `stage._refuse()`.
    """
    own = set(defined(tree))
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name, value=value) if name not in own or not isinstance(value, ast.Name):
                yield node.lineno, name
            case ast.ImportFrom(names=names):
                yield from ((node.lineno, it.name) for it in names)
            case ast.Call(
                func=ast.Name("getattr" | "setattr" | "hasattr" | "delattr"), args=[_, ast.Constant(name), *_]
            ):
                yield node.lineno, str(name)
            case ast.Subscript(value=ast.Attribute(attr="context"), slice=ast.Constant(name)):
                yield node.lineno, str(name)  # what Powertools keeps of a request


def defined(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Attribute(attr=name, ctx=ast.Store(), value=ast.Name("self" | "cls")):
                yield name
            case ast.Name(id=name, ctx=ast.Store()):
                yield name


def private_uses(source: str) -> list[tuple[int, str]]:
    return sorted({it for it in foreign_names(ast.parse(source)) if is_private(it[1])})


MODULES = {
    path.relative_to(ROOT).as_posix(): path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))
}


@pytest.mark.parametrize("module", MODULES)
def test_a_private_name_of_a_library_is_used_in_its_one_module_alone(module: str) -> None:
    strange = [it for it in private_uses(MODULES[module].read_text()) if it[1] not in ALLOWED.get(module, ())]

    assert strange == [], "use a public name, or the module that has the library's private names (ALLOWED)"


@pytest.mark.parametrize("module", ALLOWED)
def test_a_module_with_private_names_lists_them(module: str) -> None:
    source = MODULES[module].read_text()
    docs = " ".join(ast.get_docstring(it) or "" for it in ast.walk(ast.parse(source)) if isinstance(it, _DOCUMENTED))

    assert {name for name in ALLOWED[module] if name in docs} == ALLOWED[module]
    assert {name for _, name in private_uses(source)} | {"_LAMBDA_LAYERS_DIRS"} >= ALLOWED[module], "no longer used"


_DOCUMENTED = (ast.Module, ast.ClassDef)


def test_no_class_overrides_a_private_method_of_a_library_unlisted() -> None:
    found = set()
    for it in pkgutil.walk_packages(oms.__path__, "oms."):
        module = importlib.import_module(it.name)
        file = Path(str(module.__file__)).relative_to(ROOT).as_posix()
        mine = set(defined(ast.parse(MODULES[file].read_text())))
        for kind in vars(module).values():
            if isinstance(kind, type) and kind.__module__ == it.name:
                bases = [base for base in kind.__mro__[1:] if not base.__module__.startswith("oms")]
                names = {name for name in mine & vars(kind).keys() if any(name in vars(base) for base in bases)}
                found |= {(file, name) for name in names if is_private(name) and name not in ALLOWED.get(file, ())}

    assert found == set()


@pytest.mark.parametrize(
    "source",
    [
        "app._static_routes",
        "app.context['_route']",
        "getattr(app, '_serializer')",
        "from pynamodb.models import _KeyAttribute",
        "class A(Model):\n    def _get_connection(cls):\n        return super()._get_connection()",
        "class A:\n    def __init__(self): self._tables = 1\n\nconnection()._tables",
    ],
)
def test_a_private_name_is_seen(source: str) -> None:
    assert private_uses(source) != []


@pytest.mark.parametrize(
    "source",
    [
        "class A:\n    def __init__(self): self._a = self.__class__",
        "pair._replace(a=1)",
        "x.context['route']",
        "_A = 1",
    ],
)
def test_a_name_of_ones_own_is_not_taken_for_a_librarys(source: str) -> None:
    assert private_uses(source) == []


# ---- Powertools -----------------------------------------------------------------------------------------------------


def event(method: str, path: str) -> dict[str, Any]:
    http = {"method": method, "path": path}
    return {
        "version": "2.0",
        "rawPath": path,
        "headers": {},
        "requestContext": {"http": http, "stage": "$default"},
    }


def test_powertools_keeps_all_routes_in_two_lists_and_tries_those_without_variables_first() -> None:
    app = APIGatewayHttpResolver()
    router = Router()
    app.get("/<name>")(lambda name: name)
    app.post("/fixed")(lambda: "posted")
    app.get("/fixed")(lambda: "fixed")
    router.get("/<a>/<b>")(lambda a, b: a + b)
    app.include_router(router)

    fixed, variable = routes_by_precedence(app)

    why = "oms.http.powertools no longer sees the routes: admission would take every path for unknown (404)"
    assert [(it.method, it.path) for it in fixed] == [("POST", "/fixed"), ("GET", "/fixed")], why
    assert [(it.method, it.path) for it in variable] == [("GET", "/<name>"), ("GET", "/<a>/<b>")], why
    assert routes_of(app) == [*fixed, *variable]
    answers = [app.resolve(event("GET", path), Context())["body"] for path in ("/fixed", "/x", "/x/y")]
    assert answers == ["fixed", "x", "xy"], (
        "Powertools chooses another route than oms.http.admission: requests would end in NotAdmittedError"
    )


def test_powertools_calls_a_routes_middlewares_whatever_is_validated() -> None:
    seen: list[str] = []

    def noticed(app: Any, next_middleware: Any) -> Any:
        seen.append(app.request.route)
        return next_middleware(app)

    for validation in (True, False):
        app = APIGatewayHttpResolver(enable_validation=validation)
        app.get("/x", middlewares=[noticed])(lambda: {})
        app.resolve(event("GET", "/x"), Context())

    assert seen == ["/x", "/x"], (
        "an access rule is a route's middleware (oms.http.api.AccessRule): it would not be enforced"
    )


# ---- PynamoDB -------------------------------------------------------------------------------------------------------


def test_pynamodb_asks_a_model_for_its_connection_by_one_name() -> None:
    asked: list[str] = []

    class Thing(Model):
        class Meta:
            table_name = "things"

        pk = UnicodeAttribute(hash_key=True)

        @classmethod
        def _get_connection(cls) -> Any:
            asked.append(cls.__name__)
            return super()._get_connection()

    arguments = Thing("a").get_save_kwargs_from_instance()

    assert arguments["TableName"] == "things"
    assert asked, "oms.core.dynamodb.StoredItem would no longer share one client, nor find the tables of a stage"


# ---- http.client ----------------------------------------------------------------------------------------------------


def test_the_http_library_reads_the_status_line_by_one_name() -> None:
    class Connection:
        def makefile(self, _mode: str) -> io.BytesIO:
            return io.BytesIO(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    class Noticed(http.client.HTTPResponse):
        times = 0

        def _read_status(self) -> Any:
            type(self).times += 1
            return super()._read_status()  # type: ignore[misc]

    Noticed(Connection(), method="POST").begin()  # type: ignore[arg-type]

    assert Noticed.times == 1, "oms.webhooks.post would take an interim answer (103) for the subscriber's own"
