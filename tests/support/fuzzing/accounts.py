"""The demo accounts of `make fuzz`: signing in, and restoring them."""

import time
from http import HTTPStatus
from typing import Any

import httpx

from local import demo
from local.errors import LocalCloudError
from tests.support.fuzzing.run import ACCOUNTS

API = "/api/v1"


def sign_in(http: httpx.Client, email: str) -> str:
    """Returns the access token. Waits if earlier requests have used up the sign-ins of this minute."""
    credentials = {"email": email, "password": demo.PASSWORD}
    answer = http.post(f"{API}/auth/login", json=credentials)
    while answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        seconds = int(answer.headers.get("Retry-After", "1"))
        print(f"waits {seconds} s until {email} may sign in", flush=True)
        time.sleep(seconds)
        answer = http.post(f"{API}/auth/login", json=credentials)
    if answer.status_code != HTTPStatus.OK:
        raise LocalCloudError(f"{email} cannot sign in: {answer.status_code} {answer.text}")
    return str(answer.json()["access_token"])


def restore_demo_accounts(http: httpx.Client) -> None:
    """Gives each its role again, and removes the lock that random wrong passwords have caused."""
    headers = {"Authorization": f"Bearer {sign_in(http, ACCOUNTS['admin'])}"}

    def call(method: str, path: str, body: object = None) -> Any:
        answer = http.request(method, f"{API}/admin/users{path}", headers=headers, json=body)
        if answer.is_error:
            raise LocalCloudError(f"The demo accounts are not restored: {path} {answer.status_code} {answer.text}")
        return answer.json() if answer.content else None

    for email, (role, _, _) in demo.ACCOUNTS.items():
        (user,) = call("GET", f"?q={email}")["items"]
        if user["role"] != role:
            call("PATCH", f"/{user['id']}/role", {"role": role})
        if user["status"] != "active":
            call("PATCH", f"/{user['id']}/status", {"status": "active"})
        call("POST", f"/{user['id']}/unlock")
