"""The whole system on this machine, for `make up` and for tests: cloud, template, keys, demo data, front door."""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from local import console, fixups
from local.access import Access
from local.answers import ask
from local.cloud import Cloud, run
from local.deployment import ROOT, Assembly, Deployment, deploy
from local.errors import LocalCloudError
from local.folder import own_folder
from local.front_door import MAX_FAILURE_BYTES, Exchange, FrontDoor
from local.log_reader import LogReader
from local.port import DEFAULT_PORT
from local.sources import Snapshot, snapshot
from local.synthesis import synthesize

MAX_PARALLEL_WARM_UPS = 2
ANSWER_SECONDS = 60
# The connections of a process close shortly before the process ends.
EXIT_DELAY_SECONDS = 0.5
# The function of the API's default route answers it.
DEFAULT_ROUTE_PATH = "/health"


@contextlib.contextmanager
def silent(_: str) -> Iterator[None]:
    yield


def unlogged(_: Exchange) -> None:
    pass


class LocalSystem:
    """The system, which runs while its context is open. It leaves no process and no file, even after a failed start.

    `settings` overrides the local stage's settings in cdk.json, as {"login_limit": 1000}.
    """

    cloud: Cloud
    assembly: Assembly
    deployment: Deployment
    # The state of the source files when the start read them.
    sources: Snapshot
    # The messages of functions that failed in the warm-up, by path.
    failures: Mapping[str, str]

    def __init__(
        self,
        *,
        port: int = 0,
        settings: Mapping[str, object] | None = None,
        seed: bool = True,
        progress: Callable[[str], AbstractContextManager[None]] = silent,
        log: Callable[[Exchange], None] = unlogged,
    ) -> None:
        self._port = port
        self._settings = settings or {}
        self._seed = seed
        self._progress = progress
        self._log = log
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException as error:
            self._close(error)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close(error)

    def _close(self, error: BaseException | None) -> None:
        """Stops the system. Raises LocalCloudError if the local cloud has ended unexpectedly."""
        ended = self.ended(within=EXIT_DELAY_SECONDS) if isinstance(error, Exception) else None
        self._stack.close()
        if ended:
            raise LocalCloudError(ended) from error

    def ended(self, within: float = 0) -> str | None:
        """Returns a sentence that says why the local cloud ended unexpectedly, or None if it runs after `within`
        seconds.
        """
        return self.cloud.ended(within) if hasattr(self, "cloud") else None

    def _start(self) -> None:
        self.front_door = self._stack.enter_context(FrontDoor(self._port, self._log))
        self.folder = self._stack.enter_context(own_folder())
        # It starts during the synthesis.
        self.cloud = self._stack.enter_context(Cloud(self.folder))
        self.sources = snapshot(ROOT)
        with self._progress("Synthesize the CDK app"):
            self.assembly = synthesize(
                self.folder / "cdk.out", self._settings, {**os.environ, "TMPDIR": str(self.folder)}
            )
        with self._progress("Start the local cloud"):
            self.cloud.wait_until_healthy()
        with self._progress("Deploy the template"):
            self.deployment = deploy(self.assembly, self.cloud)
            fixups.apply(self.cloud, self.assembly, self.deployment)
            self._verify_sender()
            self.lead_links_here()
        with self._progress("Create the signing key"):
            self.run_module("oms.commands.signing_keys", "--stage", "local")
        # The key must exist before this, because a worker that finds no key retries only after some seconds.
        with self._progress("Warm up, seed demo data" if self._seed else "Warm up"):
            self._warm_up_and_seed()
        about = {
            "endpoint_url": self.endpoint_url,
            "secret_file": str(self._secret_file()),
            "log_groups": self.log_groups(),
        }
        self.front_door.upload_to(self.environment("Importer")["OMS_IMPORTS_BUCKET"])
        self.front_door.open(self.endpoint_url, self.deployment.api_path, self._origin_secret(), about, self.ended)

    def _secret_file(self) -> Path:
        """Returns the file with the secret for tools on this machine. Only this user can read the folder."""
        file = self.folder / "secret"
        file.write_text(self.cloud.access.secret)
        return file

    def _verify_sender(self) -> None:
        """Verifies the sender's address in SES. On AWS, an operator does it by a mailed link."""
        if sender := self.environment("Notifier")["OMS_MAIL_FROM"]:
            self.client("sesv2").create_email_identity(EmailIdentity=sender)

    def lead_links_here(self) -> None:
        """Changes the links in mails if this system has another port than the default one."""
        if self._port in (0, DEFAULT_PORT):
            return
        for name, function in self.functions().items():
            url = function.get("Environment", {}).get("Variables", {}).get("OMS_PUBLIC_URL")
            if url == f"http://localhost:{DEFAULT_PORT}":
                self.update_environment(name, OMS_PUBLIC_URL=f"http://localhost:{self._port}")

    def _warm_up_and_seed(self) -> None:
        pool = ThreadPoolExecutor(1)
        # A stop does not wait for the pool, because the cloud ends next and ends the pool's requests.
        self._stack.callback(pool.shutdown, wait=False, cancel_futures=True)
        warmed = pool.submit(self.warm_up, 1)
        if self._seed:
            self.run_module("local.seed")
        self.failures = warmed.result()

    def build_console(self) -> None:
        """Builds the back office and serves it. Raises LocalCloudError; then the API still runs."""
        with self._progress("Build the back office"):
            self.front_door.serve(console.build(self.folder))

    @property
    def base_url(self) -> str:
        """The API's URL through the front door."""
        return self.front_door.base_url

    @property
    def endpoint_url(self) -> str:
        return self.cloud.endpoint_url

    @property
    def access(self) -> Access:
        return self.cloud.access

    @property
    def direct_url(self) -> str:
        """The API's URL without the front door, which adds the origin secret and the viewer's address."""
        return self.endpoint_url + self.deployment.api_path

    def client(self, service: str) -> Any:
        """Returns a boto3 client of the local cloud."""
        return self.cloud.client(service)

    def environment(self, function: str) -> dict[str, str]:
        """Returns a function's environment. `function` is its construct id: Auth, Passwords, Inventory, Orders, Sweeper
        …
        """
        name = self.deployment.function(function)
        configuration = self.client("lambda").get_function_configuration(FunctionName=name)
        return dict(configuration.get("Environment", {}).get("Variables", {}))

    def update_environment(self, function: str, **values: str | None) -> None:
        """Changes a function's environment for new invocations, such as OMS_CLOCK_OFFSET="3600". None removes a
        variable.
        """
        variables = self.environment(function) | {key: value for key, value in values.items() if value is not None}
        for key in (key for key, value in values.items() if value is None):
            variables.pop(key, None)
        self.client("lambda").update_function_configuration(
            FunctionName=self.deployment.function(function), Environment={"Variables": variables}
        )

    def invoke(self, function: str, event: Mapping[str, object]) -> Any:
        """Runs a function now, such as the sweeper without its schedule, and returns its result.

        Raises LocalCloudError if the function fails.
        """
        answer = self.client("lambda").invoke(
            FunctionName=self.deployment.function(function), Payload=json.dumps(event).encode()
        )
        payload = json.loads(answer["Payload"].read() or b"null")
        if "FunctionError" in answer:
            raise LocalCloudError(f"{function} failed: {payload}")
        return payload

    def functions(self) -> dict[str, dict[str, Any]]:
        """Returns each function's current configuration, by construct id."""
        pages = self.client("lambda").get_paginator("list_functions").paginate()
        deployed = {function["FunctionName"]: function for page in pages for function in page["Functions"]}
        return {construct_id: deployed[name] for construct_id, name in self.deployment.functions.items()}

    def log_groups(self) -> dict[str, str]:
        """Returns each function's log group, by construct id."""
        return {name: function["LoggingConfig"]["LogGroup"] for name, function in self.functions().items()}

    def logs(self, function: str) -> list[str]:
        """Returns all log lines of a function so far, oldest first."""
        reader = LogReader(self.client("logs"), {function: self.log_groups()[function]})
        return [line.text for line in reader.read()]

    def http_paths(self) -> dict[str, str]:
        """Returns a path of each HTTP function, by construct id.

        A GET of these paths without a token writes nothing.
        """
        client = self.client("apigatewayv2")
        api = self.deployment.outputs["ApiId"]
        names = {physical: construct_id for construct_id, physical in self.deployment.functions.items()}
        functions = {
            integration["IntegrationId"]: names[integration["IntegrationUri"].rpartition(":")[2]]
            for integration in client.get_integrations(ApiId=api, MaxResults="500")["Items"]
        }
        paths: dict[str, str] = {}
        for route in client.get_routes(ApiId=api, MaxResults="500")["Items"]:
            path = route["RouteKey"].rpartition(" ")[2]
            if "{" not in path:
                function = functions[route["Target"].removeprefix("integrations/")]
                paths.setdefault(function, DEFAULT_ROUTE_PATH if path == "$default" else path)
        return paths

    def warm_up(self, workers: int, paths: Sequence[str] | None = None) -> dict[str, str]:
        """Starts `workers` workers of the function behind each path. Those of one path start at the same time.

        Returns the messages of failed functions, by path. A worker needs 0.2 s of a core to start, which would delay a
        test's first burst.
        """
        paths = list(self.http_paths().values()) if paths is None else paths
        batches = [[path] * workers for path in paths] if workers > 1 else [list(paths)]
        failures: dict[str, str] = {}
        with ThreadPoolExecutor(max(workers, MAX_PARALLEL_WARM_UPS)) as pool:
            for batch in batches:
                answers = zip(batch, pool.map(self.failure_at, batch), strict=True)
                failures |= {path: failure for path, failure in answers if failure}
        return failures

    def failure_at(self, path: str) -> str | None:
        """Returns the emulator's message if the function behind the path fails or does not start, else None."""
        try:
            answer = ask(self.direct_url + path, seconds=ANSWER_SECONDS)
        except OSError as error:
            return self.ended() or f"no answer within {ANSWER_SECONDS} s ({error})"
        return answer.body[:MAX_FAILURE_BYTES].decode(errors="replace") if answer.status >= 500 else None

    def _origin_secret(self) -> str:
        name = self.environment("Docs")["OMS_ORIGIN_SECRET"]
        return str(self.client("secretsmanager").get_secret_value(SecretId=name)["SecretString"])

    def service_environment(self) -> dict[str, str]:
        """Returns the environment of a process that calls the services of `oms` as the functions do."""
        variables = self.environment("Orders") | self.environment("Passwords") | self.environment("Sweeper")
        return self.cloud.child_environment() | variables | {"PYTHONPATH": f"{ROOT}/layers/shared/python:{ROOT}"}

    def run_module(self, module: str, *arguments: str) -> None:
        """Runs `python -m module` in the environment of the services. Raises LocalCloudError if it fails."""
        result = run([sys.executable, "-m", module, *arguments], self.service_environment(), ROOT)
        if result.returncode != 0:
            raise LocalCloudError(f"`python -m {module}` failed:\n{result.stdout}")
