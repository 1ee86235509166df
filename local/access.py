"""Access to the local cloud for tools on this machine: its address, and the secret that every call needs."""

import http
import urllib.request
from dataclasses import dataclass
from typing import Any

from local.answers import ask

REGION = "us-east-1"
ACCOUNT = "000000000000"
# The emulator's own routes, under /_ministack, need the secret in this header.
SECRET_HEADER = "X-Local-Secret"  # noqa: S105  a header's name
TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Access:
    """The address and the secret of a local cloud. Each start has a new secret, which other users of this machine do
    not know.

    The emulator does not check the signatures of its root user, so the id of the access key is the secret.
    """

    endpoint_url: str
    secret: str

    def client(self, service: str) -> Any:
        """Returns a boto3 client with all permissions."""
        # Imported here, because the emulator also imports this module and does not need boto3.
        import boto3
        import botocore.config

        make: Any = boto3.client  # its type stubs allow only literal service names
        return make(
            service,
            endpoint_url=self.endpoint_url,
            region_name=REGION,
            aws_access_key_id=self.secret,
            aws_secret_access_key=self.secret,
            config=botocore.config.Config(retries={"total_max_attempts": 1}, read_timeout=120),
        )

    def environment(self) -> dict[str, str]:
        """Returns the variables that every AWS client reads.

        They replace the developer's own credentials and profiles.
        """
        return self.credentials() | {"AWS_ENDPOINT_URL": self.endpoint_url}

    def credentials(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": self.secret,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
        }

    def read(self, path: str) -> Any:
        """Returns the JSON of one of the emulator's own routes, such as /_ministack/health. Raises OSError."""
        request = urllib.request.Request(self.endpoint_url + path, headers={SECRET_HEADER: self.secret})
        answer = ask(request, seconds=TIMEOUT_SECONDS)
        try:
            content = answer.content
        except ValueError as error:
            raise OSError(f"the answer of {path} is not JSON") from error
        if answer.status != http.HTTPStatus.OK:
            raise OSError(f"{path} answered {answer.status}")
        return content
