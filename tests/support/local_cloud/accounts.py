"""Accounts on the local cloud, over HTTP."""

import httpx

PASSWORD = "correct horse battery"
NEW_PASSWORD = "a quite different one"


def log_in(http: httpx.Client, email: str, password: str = PASSWORD, **more: str) -> httpx.Response:
    return http.post("/api/v1/auth/login", json={"email": email, "password": password, **more})
