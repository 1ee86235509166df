"""Private names of libraries: each is used in one module, which names it, and a test covers its use.

ministack's are in `local/emulator` and are tested by `tests/integration/test_workers.py`.
"""

import ast
import http.client
import importlib
import io
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.event_handler.api_gateway import Router
from pynamodb.attributes import UnicodeAttribute
from pynamodb.connection import Connection
from pynamodb.models import Model

import oms
from oms.http.powertools import routes_by_precedence, routes_of
from tests.support.invocation import Context

ROOT = Path(__file__).parents[2]
FOLDERS = ("layers", "functions", "infra", "local")
# The modules that may use private names of a library, and which.
ALLOWED = {
    "layers/shared/python/oms/http/powertools.py": {
        "_static_routes",
        "_dynamic_routes",
        "_response_validation_middleware",
        "_route",
    },
    "layers/shared/python/oms/core/dynamodb.py": {"_get_connection"},
    "layers/shared/python/oms/webhooks/post.py": {"_read_status"},
    "local/emulator/log_events.py": {
        "_filter_log_events",
        "_log_events_lock",
        "_log_groups",
        "_resolve_log_group_name",
    },
    "local/emulator/workers.py": {"_resolve_layer_zip", "_spawn", "_LAMBDA_LAYERS_DIRS"},
}
# Documented in spite of their names: https://docs.python.org/3/library/collections.html#collections.somenamedtuple._make
# and https://docs.python.org/3/library/os.html#os._exit
PUBLIC = {"_asdict", "_replace", "_fields", "_make", "_exit"}


def is_private(name: str) -> bool:
    """`_x`, and `__x`, whose name in the class is another; not `__x__`, which Python documents."""
    is_documented = name.startswith("__") and name.endswith("__")
    is_name = name.isidentifier() and name.strip("_") != ""
    return name.startswith("_") and is_name and not is_documented and name not in PUBLIC


def foreign_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Returns the lines in which a module uses a private name of another module's object, and the names.

    A module's own names are those that its classes define, on `self` and `cls` within the class, and on a name that is
    bound to the class or to an object of it: `stage = cls(…)`, `other: "Stage"`. A string that is a subscript or an
    argument counts as a name: `vars(app)["_x"]`, `attrgetter("_x")`.
    """
    yield from _names_within(tree, _Place({it.name: it for it in ast.walk(tree) if isinstance(it, ast.ClassDef)}))


@dataclass(frozen=True)
class _Place:
    """The context of a node: the module's classes, the class around it, and the meanings of names (None: no class)."""

    classes: Mapping[str, ast.ClassDef]
    around: ast.ClassDef | None = None
    bound: Mapping[str, ast.ClassDef | None] = field(default_factory=dict)

    def within(self, node: ast.AST) -> "_Place":
        if isinstance(node, ast.ClassDef):
            return replace(self, around=node)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.Module):
            return replace(self, bound={**self.bound, **self._bindings(node)})
        return self

    def class_of(self, node: ast.expr) -> ast.ClassDef | None:
        """Returns the class of the module that an expression is, or is an object of."""
        match node:
            case ast.Name("self" | "cls"):
                return self.around
            case ast.Name(name):
                return self.bound[name] if name in self.bound else self.classes.get(name)
            case ast.Call(func=function):
                return self.class_of(function)
        return None

    def _annotated(self, node: ast.expr | None) -> ast.ClassDef | None:
        match node:
            case ast.Constant(str(name)) | ast.Name(name):
                return self.around if name == "Self" else self.classes.get(name)
            case ast.BinOp(left=left, op=ast.BitOr(), right=ast.Constant(None)):
                return self._annotated(left)
        return None

    def _bindings(self, scope: ast.AST) -> dict[str, ast.ClassDef | None]:
        """Returns the classes of the names that a scope binds; a name that is bound twice has no class."""
        found: dict[str, ast.ClassDef | None] = {}
        known: set[ast.AST] = set()

        def bind(target: ast.Name | ast.arg, meant: ast.ClassDef | None) -> None:
            known.add(target)
            name = target.id if isinstance(target, ast.Name) else target.arg
            found[name] = meant if found.get(name, meant) is meant else None

        for node in _within_scope(scope):
            match node:
                case ast.arg(annotation=annotation):
                    bind(node, self._annotated(annotation))
                case ast.Assign(targets=[ast.Name() as target], value=value):
                    bind(target, self.class_of(value))
                case ast.AnnAssign(target=ast.Name() as target, annotation=annotation):
                    bind(target, self._annotated(annotation))
                case ast.withitem(context_expr=value, optional_vars=ast.Name() as target):
                    bind(target, self.class_of(value))
                case ast.Name(ctx=ast.Store()) if node not in known:
                    bind(node, None)
        return found


def _within_scope(scope: ast.AST) -> Iterator[ast.AST]:
    """Yields the nodes of a scope without those of the scopes in it; an assigned object precedes its parts."""
    pending = list(ast.iter_child_nodes(scope))
    while pending:
        node = pending.pop(0)
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            pending += ast.iter_child_nodes(node)


def _names_within(node: ast.AST, place: _Place) -> Iterator[tuple[int, str]]:
    here = place.within(node)
    yield from ((getattr(node, "lineno", 0), it) for it in _names_of(node, here))
    for inner in ast.iter_child_nodes(node):
        yield from _names_within(inner, here)


def _names_of(node: ast.AST, place: _Place) -> Iterator[str]:
    match node:
        case ast.Attribute(attr=name, value=value) if not _has(place.class_of(value), name, place):
            yield name
        case ast.ImportFrom(module=module, names=names):
            yield from (module or "").split(".")
            yield from (it.name for it in names)
        case ast.Import(names=names):
            yield from (part for it in names for part in it.name.split("."))
        case ast.Subscript(slice=ast.Constant(str(name))):
            yield name
        case ast.Call(args=[owner, ast.Constant(str(name)), *_], func=ast.Name(function)) if function in _ACCESSORS:
            if not _has(place.class_of(owner), name, place):
                yield name
        case ast.Call(func=ast.Attribute(attr=function)) if function in _OF_TEXT:
            return
        case ast.Call(args=args, keywords=keywords):
            strings = [it.value for it in (*args, *(it.value for it in keywords)) if isinstance(it, ast.Constant)]
            yield from (part for it in strings if isinstance(it, str) for part in it.split("."))
            if place.class_of(node.func) is None:
                yield from (it.arg for it in keywords if it.arg)
        case ast.MatchClass(cls=owner, kwd_attrs=names):
            yield from (it for it in names if not _has(place.class_of(owner), it, place))


_ACCESSORS = ("getattr", "setattr", "hasattr", "delattr")
# Their arguments are parts of texts.
_OF_TEXT = ("startswith", "endswith", "removeprefix", "removesuffix")


def _has(owner: ast.ClassDef | None, name: str, place: _Place) -> bool:
    """Whether a class of the module, or one of its bases in the module, defines the name."""
    if owner is None:
        return False
    bases = [place.classes[it.id] for it in owner.bases if isinstance(it, ast.Name) and it.id in place.classes]
    return name in set(defined(owner)) or any(_has(base, name, place) for base in bases)


def defined(tree: ast.AST) -> Iterator[str]:
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


# Imported here and not in the test, which must not open a socket: Powertools' tracer opens one when it is made.
OMS = [importlib.import_module(it.name) for it in pkgutil.walk_packages(oms.__path__, "oms.")]


def test_no_class_overrides_a_private_method_of_a_library_unlisted() -> None:
    found = set()
    for module in OMS:
        file = Path(str(module.__file__)).relative_to(ROOT).as_posix()
        mine = set(defined(ast.parse(MODULES[file].read_text())))
        for kind in vars(module).values():
            if isinstance(kind, type) and kind.__module__ == module.__name__:
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
        "from pydantic._internal._fields import collect",
        "import pydantic._internal.fields",
        "import pydantic._internal as it",
        "vars(app)['_x']",
        "app.__dict__['_x']",
        "app.__dict__.get('_x')",
        "vars(app).pop('_x', None)",
        "operator.attrgetter('_x')",
        "operator.attrgetter('x._x')",
        "methodcaller('_x')",
        "setattr(app, '_x', 1)",
        "monkey.patch(target=app, name='_x')",
        "connect(_x=1)",
        "m.__private",
        "getattr(app, '__private')",
        "match app:\n    case App(_x=x): pass",
        "class A:\n    def __init__(self): self._static_routes = 1\n\ndef f(app): app._static_routes",
        "class A:\n    def __init__(self): self._static_routes = 1\n\napp._static_routes",
        "class A:\n    def __init__(self): self._x = 1\n\nclass B(App):\n    def f(self): self._x",
        "class A:\n    def __init__(self): self._x = 1\n\ndef f(a: A, b: App):\n    b._x",
        "class A:\n    def __init__(self): self._x = 1\n\ndef f(a: A):\n    a = App()\n    a._x",
        "class A:\n    def __init__(self): self._x = 1\n\ndef f(a: A):\n    for a in apps: a._x",
        "class A:\n    _x = 1\n\ndef f(A): A._x",
        "_x = 1\napp._x",
        "def _x(): pass\n\napp._x()",
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
        "class A:\n    def _x(self): self._x()",
        "class A:\n    def __x(self): self.__x()",
        "class A:\n    def _x(self): pass\n\nclass B(A):\n    def f(self): self._x()",
        "class A:\n    def f(self, other: 'A'): other._x\n\n    def _x(self): pass",
        "class A:\n    def _x(self): pass\n\n    @classmethod\n    def of(cls):\n        a = cls()\n        a._x()",
        "class A:\n    _x = 1\n\nA._x",
        "class A:\n    _x = 1\n\ndef f():\n    with A() as a: a._x",
        "class A:\n    _x = 1\n\ndef f(a: A | None): return lambda: getattr(a, '_x')",
        "class A:\n    def f(self): return lambda: self._x\n\n    def _x(self): pass",
        "a['x'], f('x', y='x.y'), f('_', '__'), a.__dict__['__doc__']",
        "from __future__ import annotations",
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


def test_powertools_calls_a_routes_middlewares_with_and_without_validation() -> None:
    seen: list[str] = []

    def noticed(app: Any, next_middleware: Any) -> Any:
        seen.append(app.request.route)
        return next_middleware(app)

    for validation in (True, False):
        app = APIGatewayHttpResolver(enable_validation=validation)
        app.get("/x", middlewares=[noticed])(lambda: {})
        app.resolve(event("GET", "/x"), Context())

    assert seen == ["/x", "/x"], (
        "an access rule is a route's middleware (oms.http.access_rules.AccessRule): it would not be enforced"
    )


# ---- PynamoDB -------------------------------------------------------------------------------------------------------


def test_pynamodb_asks_a_model_for_its_connection_by_one_name() -> None:
    asked: list[str] = []

    class Stored(Model):
        class Meta:
            table_name = "things"

        pk = UnicodeAttribute(hash_key=True)

        @classmethod
        def _get_connection(cls) -> Any:
            asked.append(cls.__name__)
            return super()._get_connection()

    arguments = Stored("a").get_save_kwargs_from_instance()

    assert arguments["TableName"] == "things"
    assert asked, "oms.core.dynamodb.StoredItem would no longer share one client, nor find the tables of a stage"


def test_pynamodb_calls_dynamodb_through_one_method_of_its_client() -> None:
    called: list[str] = []

    class Client:
        def _make_api_call(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
            called.append(operation)
            return {"Responses": [], "Parameters": parameters}

    class Own(Connection):
        client = Client()  # type: ignore[assignment]

    Own().transact_write_items([], [], [], [])

    assert called == ["TransactWriteItems"], "oms.core.aws_json.client.Client would not be called for transactions"


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
