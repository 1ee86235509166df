"""The routes of the baseline.

It is written for speed: reads use SQLAlchemy's ORM with as few queries as possible, writes use its Core, and pydantic's
own encoder writes the responses. An access token is an HS256 JWT, the default of Flask-JWT-Extended, and names user and
role, so no request reads a session.
"""

import hashlib
import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import bcrypt
import jwt
from flask import Flask, Response, abort, g, request
from pydantic import BaseModel, ValidationError
from sqlalchemy import Engine, create_engine, event, insert, select, update
from sqlalchemy.orm import Session, joinedload, sessionmaker

from benchmarks.flask_baseline.models import HistoryEntry, Model, Order, OrderLine, Product, RefreshToken, User
from benchmarks.flask_baseline.schemas import (
    CreateOrderRequest,
    ListQuery,
    LoginRequest,
    ManagedOrderResponse,
    OrderPage,
    OrderResponse,
    ProductPage,
    RefreshRequest,
    RegisterRequest,
    TokensResponse,
)

# Writes go to the tables: the session's unit of work would take half as long again for an order.
ORDERS, ORDER_LINES, ORDER_HISTORY = (it.__table__ for it in (Order, OrderLine, HistoryEntry))
PRODUCTS, REFRESH_TOKENS = (it.__table__ for it in (Product, RefreshToken))
ACCESS_SECONDS = 3600
REFRESH_TIME = timedelta(days=7)


def open_database(url: str) -> Engine:
    """Returns the engine, with the tables created. SQLite gets a write-ahead log, synced at each commit."""
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def configure(connection: Any, _: Any) -> None:
            for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "busy_timeout = 5000"):
                connection.execute(f"PRAGMA {pragma}")

    Model.metadata.create_all(engine)
    return engine


def create_app(engine: Engine, *, bcrypt_cost: int = 12) -> Flask:
    app = Flask(__name__)
    key = secrets.token_bytes(32)
    make_session = sessionmaker(engine, expire_on_commit=False)

    def db() -> Session:
        if "db" not in g:
            g.db = make_session()
        return g.db

    @app.teardown_appcontext
    def close(_: BaseException | None) -> None:
        session = g.pop("db", None)
        if session is not None:
            session.close()

    @app.errorhandler(ValidationError)
    def invalid(error: ValidationError) -> tuple[dict[str, Any], int]:
        return {"errors": error.errors(include_url=False, include_context=False)}, 422

    def body[T: BaseModel](schema: type[T]) -> T:
        return schema.model_validate_json(request.get_data(cache=False))

    def answer(content: BaseModel, status: int = 200) -> Response:
        return Response(content.model_dump_json(), status, mimetype="application/json")

    def caller(*roles: str) -> tuple[int, str]:
        """Returns id and role of the access token. Answers 401 without a valid one, 403 if the role is not allowed."""
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind != "Bearer":
            abort(401)
        try:
            claims = jwt.decode(token, key, algorithms=["HS256"], options={"require": ["exp", "sub"]})
        except jwt.InvalidTokenError:
            abort(401)
        if roles and claims["role"] not in roles:
            abort(403)
        return int(claims["sub"]), claims["role"]

    def tokens_for(user: User) -> TokensResponse:
        now, secret = int(time.time()), secrets.token_urlsafe(32)
        claims = {"sub": str(user.id), "role": user.role, "iat": now, "exp": now + ACCESS_SECONDS}
        stored = {"user_id": user.id, "token_hash": _hash(secret), "expires_at": _now() + REFRESH_TIME}
        db().execute(insert(REFRESH_TOKENS).values(stored))
        return TokensResponse(
            access_token=jwt.encode(claims, key, algorithm="HS256"), refresh_token=secret, expires_in=ACCESS_SECONDS
        )

    def record(order_id: int, status: str, actor_id: int, at: datetime) -> None:
        entry = {"order_id": order_id, "status": status, "actor_id": actor_id, "at": at}
        db().execute(insert(ORDER_HISTORY).values(entry))

    @app.post("/auth/register")
    def register() -> Response:
        wanted = body(RegisterRequest)
        if db().scalar(select(User.id).where(User.email == wanted.email)):
            abort(409)
        hashed = bcrypt.hashpw(wanted.password.encode(), bcrypt.gensalt(bcrypt_cost)).decode()
        user = User(email=wanted.email, password_hash=hashed, first_name=wanted.first_name)
        db().add(user)
        db().flush()
        tokens = tokens_for(user)
        db().commit()
        return answer(tokens, 201)

    @app.post("/auth/login")
    def log_in() -> Response:
        wanted = body(LoginRequest)
        user = db().scalar(select(User).where(User.email == wanted.email))
        if user is None or not user.is_active:
            abort(401)
        if not bcrypt.checkpw(wanted.password.encode(), user.password_hash.encode()):
            abort(401)
        tokens = tokens_for(user)
        db().commit()
        return answer(tokens)

    @app.post("/auth/refresh")
    def refresh() -> Response:
        presented = body(RefreshRequest).refresh_token
        query = select(RefreshToken).where(RefreshToken.token_hash == _hash(presented)).with_for_update(of=RefreshToken)
        stored = db().scalar(query)
        now = _now()
        if stored is None or stored.used_at is not None or stored.expires_at < now or not stored.user.is_active:
            abort(401)
        db().execute(update(REFRESH_TOKENS).where(REFRESH_TOKENS.c.id == stored.id).values(used_at=now))
        tokens = tokens_for(stored.user)
        db().commit()
        return answer(tokens)

    @app.get("/products")
    def list_products() -> Response:
        caller()
        query = ListQuery.model_validate(request.args.to_dict())
        found = select(Product).where(Product.status == "active").order_by(Product.name).limit(query.limit + 1)
        if query.after is not None:
            found = found.where(Product.name > query.after)
        items = db().scalars(found).all()
        shown = items[: query.limit]
        last = shown[-1].name if len(items) > query.limit else None
        return answer(ProductPage.model_validate({"items": shown, "next": last}, from_attributes=True))

    @app.get("/orders")
    def list_orders() -> Response:
        user_id, role = caller()
        query = ListQuery.model_validate(request.args.to_dict())
        found = select(Order).order_by(Order.id.desc()).limit(query.limit + 1)
        if role == "customer":
            found = found.where(Order.customer_id == user_id)
        if query.after is not None:
            found = found.where(Order.id < int(query.after))
        items = db().scalars(found).all()
        shown = items[: query.limit]
        last = shown[-1].id if len(items) > query.limit else None
        return answer(OrderPage.model_validate({"items": shown, "next": last}, from_attributes=True))

    @app.get("/orders/<int:order_id>")
    def get_order(order_id: int) -> Response:
        user_id, role = caller()
        order = db().get(Order, order_id)
        if order is None or (role == "customer" and order.customer_id != user_id):
            abort(404)
        return answer(OrderResponse.model_validate(order))

    @app.post("/orders")
    def create_order() -> Response:
        user_id, _ = caller()
        wanted = body(CreateOrderRequest)
        quantities: dict[int, int] = {}
        for item in wanted.items:
            quantities[item.product_id] = quantities.get(item.product_id, 0) + item.quantity
        columns = Product.id, Product.sku, Product.name, Product.price
        found = select(*columns).where(Product.id.in_(sorted(quantities)), Product.status == "active")
        products = {row.id: row for row in db().execute(found)}
        if len(products) < len(quantities):
            abort(422)
        # In the order of their ids, so that two orders never wait for each other.
        for product_id, quantity in sorted(quantities.items()):
            reserved = db().execute(
                update(PRODUCTS)
                .where(PRODUCTS.c.id == product_id, PRODUCTS.c.available >= quantity)
                .values(available=PRODUCTS.c.available - quantity, reserved=PRODUCTS.c.reserved + quantity)
            )
            if reserved.rowcount == 0:
                abort(409)
        subtotal = sum(products[product_id].price * quantity for product_id, quantity in quantities.items())
        now = _now()
        order = {
            "customer_id": user_id,
            "status": "pending",
            "subtotal": subtotal,
            "shipping_cost": 0,
            "total": subtotal,
            "currency": "EUR",
            "shipping_address": wanted.shipping_address.model_dump() if wanted.shipping_address else None,
            "note": wanted.note,
            "version": 1,
            "created_at": now,
            "updated_at": now,
        }
        order["id"] = db().execute(insert(ORDERS).values(order)).inserted_primary_key[0]
        lines = [
            {
                "order_id": order["id"],
                "product_id": product_id,
                "sku": products[product_id].sku,
                "name": products[product_id].name,
                "quantity": quantity,
                "unit_price": products[product_id].price,
            }
            for product_id, quantity in quantities.items()
        ]
        db().execute(insert(ORDER_LINES), lines)
        record(order["id"], "pending", user_id, now)
        db().commit()
        return answer(OrderResponse.model_validate(order | {"lines": lines}), 201)

    @app.post("/orders/<int:order_id>/confirm")
    def confirm_order(order_id: int) -> Response:
        user_id, _ = caller("manager")
        query = select(Order).where(Order.id == order_id).options(joinedload(Order.customer, innerjoin=True))
        order = db().scalar(query.with_for_update(of=Order))
        if order is None:
            abort(404)
        if order.status != "pending":
            abort(409)
        now = _now()
        changed = {"status": "confirmed", "updated_at": now, "version": order.version + 1}
        db().execute(update(ORDERS).where(ORDERS.c.id == order.id).values(changed))
        record(order.id, "confirmed", user_id, now)
        db().commit()
        return answer(ManagedOrderResponse.model_validate(order).model_copy(update=changed))

    return app


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
