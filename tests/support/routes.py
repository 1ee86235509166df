"""What nearly every attack asks for in the end."""

from typing import Any

from auth import handler as session_routes
from tests.support.invocation import Answer, invoke


def me(token: str) -> Answer:
    return invoke(session_routes, "GET", "/api/v1/auth/me", token=token)


def refresh(token: str, **more: Any) -> Answer:
    return invoke(session_routes, "POST", "/api/v1/auth/refresh", {"refresh_token": token}, **more)
