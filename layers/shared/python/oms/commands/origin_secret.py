"""Rotates the secret between the CloudFront distribution and the API: `python -m oms.commands.origin_secret --stage S`.

No request is refused meanwhile: for the time of the rotation, the secret is the old and the new value, separated by a
comma, and the functions accept either. An interrupted rotation is completed by the next run.
"""

import secrets
import time
from collections.abc import Callable
from typing import Any

from oms.commands import stacks
from oms.commands.closed_pipe import run_until_unread
from oms.core import aws
from oms.core.secret_store import MAX_AGE, read_secret, secrets_client

HEADER = "X-Origin-Secret"
# Each function has loaded the secret again by then.
RELOADED_SECONDS = MAX_AGE.total_seconds() + 60


def rotate(
    stage: str,
    distribution_id: str,
    *,
    say: Callable[[str], None] = print,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Replaces the secret, which takes about ten minutes."""
    name = f"oms/{stage}/origin"
    old, _, new = read_secret(name).partition(",")
    new = new or secrets.token_hex(32)
    secrets_client().put_secret_value(SecretId=name, SecretString=f"{old},{new}")
    say(f"The functions accept both secrets in {RELOADED_SECONDS / 60:.0f} minutes …")
    sleep(RELOADED_SECONDS)
    _send(distribution_id, new)
    say("The distribution sends the new secret in some minutes …")
    aws.session().client("cloudfront").get_waiter("distribution_deployed").wait(Id=distribution_id)
    secrets_client().put_secret_value(SecretId=name, SecretString=new)
    say("The origin secret is rotated. The functions refuse the old one in five minutes.")


def _send(distribution_id: str, secret: str) -> None:
    """Writes the secret into the distribution, as the next update by CloudFormation would."""
    cloudfront = aws.session().client("cloudfront")
    found = cloudfront.get_distribution_config(Id=distribution_id)
    for header in _headers(found["DistributionConfig"]):
        header["HeaderValue"] = secret
    cloudfront.update_distribution(
        Id=distribution_id, IfMatch=found["ETag"], DistributionConfig=found["DistributionConfig"]
    )


def _headers(config: Any) -> list[Any]:
    """Returns the headers of the origins that have the secret. Raises LookupError if none has it."""
    found = [
        header
        for origin in config["Origins"]["Items"]
        for header in origin.get("CustomHeaders", {}).get("Items", [])
        if header["HeaderName"] == HEADER
    ]
    if not found:
        raise LookupError(f"the distribution has no origin with the header {HEADER}")
    return found


def main() -> None:
    parser = stacks.stage_parser("Rotates the secret between the CloudFront distribution and the API of a stage.")
    stage: str = parser.parse_args().stage
    with stacks.acting_on(stage):
        distribution = stacks.output_of(stage, "ConsoleDistribution")
        if distribution is None:
            raise SystemExit(
                f"The stage {stage!r} has no distribution of its own (its setting console is false). "
                "docs/operate/deploying.md says how to change the secret of a front of your own."
            )
        rotate(stage, distribution)


if __name__ == "__main__":
    run_until_unread(main)
