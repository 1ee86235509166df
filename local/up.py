"""`make up`: starts the system on this machine, shows how to use it, and lists its requests until Ctrl-C."""

import contextlib
import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from botocore.exceptions import BotoCoreError, ClientError

from local.demo import ACCOUNTS, PASSWORD, SERVICE_KEY
from local.errors import LocalCloudError
from local.front_door import Exchange
from local.port import DEFAULT_PORT, port
from local.reload import Reloader
from local.stopping import Stopped, raise_on_signals
from local.system import LocalSystem

SEE_ALSO = "docs/develop/local-cloud.md describes each step of the start."
# Extracts the access token from the response with sed, which every machine has.
SED = r"""sed 's/.*"access_token": *"\([^"]*\)".*/\1/'"""


def main() -> None:
    raise_on_signals()
    started = time.monotonic()
    requests = _Requests()
    print("Secure Order Management System, local stage\n", flush=True)
    try:
        with LocalSystem(port=port(), progress=_step, log=requests.show) as system:
            print(_welcome(system, time.monotonic() - started), flush=True)
            for path, failure in system.failures.items():
                _say(f"{path} does not answer: {_plain(failure)}")
            _build_console(system)
            print("\nRequests:", flush=True)
            Reloader(system, say=_say, last_target=lambda: requests.last_target).run()
    except Stopped:
        # A closed terminal raises an error.
        with contextlib.suppress(OSError):
            print("\nStopped. All processes and files of the system are removed.", flush=True)
    except LocalCloudError as error:
        sys.exit(f"\n{error}")
    except (BotoCoreError, ClientError) as error:
        sys.exit(f"\nA call of the local cloud failed: {str(error)[:500]}\nTry again; {SEE_ALSO}")
    except OSError as error:
        sys.exit(f"\nA call of the operating system failed: {error}\nCorrect the cause; {SEE_ALSO}")


def _build_console(system: LocalSystem) -> None:
    try:
        system.build_console()
    except LocalCloudError as error:
        print(f"  The back office is not built: {_plain(str(error))}. The API still runs.", flush=True)
        return
    print(f"  {system.base_url} shows the back office: sign in as the manager or the admin.", flush=True)


@contextlib.contextmanager
def _step(name: str) -> Iterator[None]:
    started = time.monotonic()
    print(f"  {name:<26}", end="", flush=True)
    try:
        yield
    except BaseException:
        print("  not done", flush=True)
        raise
    print(f"{time.monotonic() - started:6.1f} s", flush=True)


def _welcome(system: LocalSystem, seconds: float) -> str:
    url = system.base_url
    login = json.dumps({"email": "alice@demo.example", "password": PASSWORD})
    order = json.dumps({"items": [{"product_id": 1, "quantity": 2}, {"product_id": 2, "quantity": 1}]})
    other = "" if port() == DEFAULT_PORT else f" PORT={port()}"
    accounts = "\n".join(f"    {account}" for account in ACCOUNTS)
    return f"""
Ready in {seconds:.1f} s: {url}

  {url}/docs describes the API in the browser, and can send requests.

  Demo accounts, password {PASSWORD}
{accounts}

  A service key with all scopes, for programs:
    {SERVICE_KEY}
    curl -s '{url}/api/v1/orders?limit=1' -H 'Authorization: Bearer {SERVICE_KEY}'

  Sign in, list products, place an order:
    TOKEN=$(curl -s {url}/api/v1/auth/login -H 'Content-Type: application/json' -d '{login}' | {SED})
    curl -s '{url}/api/v1/inventory/products?limit=3' -H "Authorization: Bearer $TOKEN"
    curl -s {url}/api/v1/orders -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '{order}'

Saved code is reloaded automatically. `make logs{other}` shows the functions' logs, `make mail{other}` the sent mails.
Ctrl-C stops the system and removes its data.
"""


class _Requests:
    """A log that shows each request, and stores the target of the latest one."""

    last_target = ""

    def show(self, exchange: Exchange) -> None:
        self.last_target = exchange.target
        line = (
            f"  {datetime.now(UTC):%H:%M:%S}  {exchange.status}  {exchange.method:<7}{_plain(exchange.target):<60}"
            f"{exchange.seconds * 1000:6.0f} ms  {exchange.client}  {exchange.request_id or '-'}"
        )
        if exchange.failure:
            line += f"\n            {_plain(exchange.failure)}"
        print(line, flush=True)


def _say(text: str) -> None:
    print(f"  {datetime.now(UTC):%H:%M:%S}  {text}", flush=True)


def _plain(text: str) -> str:
    """Returns the text with control characters escaped, so that a client's text cannot control the terminal."""
    return text.encode("unicode_escape").decode("ascii")


if __name__ == "__main__":
    main()
