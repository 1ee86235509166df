"""Requests and responses of the baseline. Amounts are in cents."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field


class Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Response(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class RegisterRequest(Request):
    email: str = Field(min_length=3, max_length=254, pattern=r"^[^@\s]+@[^@\s]+$")
    password: str = Field(min_length=8, max_length=72)
    first_name: str = Field(min_length=1, max_length=100)


class LoginRequest(Request):
    email: str = Field(max_length=254)
    password: str = Field(max_length=72)


class RefreshRequest(Request):
    refresh_token: str = Field(max_length=200)


class ListQuery(Request):
    limit: int = Field(20, ge=1, le=100)
    after: str | None = None


class ShippingAddress(Request):
    name: str = Field(min_length=1, max_length=500)
    line1: str = Field(min_length=1, max_length=500)
    line2: str | None = Field(None, max_length=500)
    city: str = Field(min_length=1, max_length=500)
    postal_code: str | None = Field(None, max_length=500)
    region: str | None = Field(None, max_length=500)
    country: str = Field(pattern="^[A-Z]{2}$")


class OrderItem(Request):
    product_id: int
    quantity: int = Field(ge=1, le=10_000)


class CreateOrderRequest(Request):
    items: list[OrderItem] = Field(min_length=1, max_length=90)
    shipping_address: ShippingAddress | None = None
    note: str | None = Field(None, max_length=500)


class TokensResponse(Response):
    access_token: str
    refresh_token: str
    expires_in: int


class ProductResponse(Response):
    id: int
    sku: str
    name: str
    description: str | None
    category: str
    price: int
    status: str
    available: int
    created_at: datetime
    updated_at: datetime


class ProductPage(Response):
    items: list[ProductResponse]
    next: str | None


class LineResponse(Response):
    product_id: int
    sku: str
    name: str
    quantity: int
    unit_price: int


class OrderResponse(Response):
    id: int
    customer_id: int
    status: str
    lines: list[LineResponse]
    subtotal: int
    shipping_cost: int
    total: int
    currency: str
    shipping_address: ShippingAddress | None
    note: str | None
    created_at: datetime
    updated_at: datetime
    version: int


class OrderPage(Response):
    items: list[OrderResponse]
    next: int | None


class CustomerResponse(Response):
    email: str
    first_name: str


class ManagedOrderResponse(OrderResponse):
    customer: CustomerResponse
