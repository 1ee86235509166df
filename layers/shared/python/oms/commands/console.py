"""The back office's part of `make deploy`: `python -m oms.commands.console --stage S [--target | --prepare]`.

Before the deployment, `--target` prints the target of make that builds the files. `--prepare` checks that they are
built, creates the web ACL, and prints its ARN as a parameter for the CDK CLI. After the deployment, the command uploads
the files. Without the setting `console` it does nothing and prints nothing.
"""

import mimetypes
from collections.abc import Callable
from pathlib import Path

from oms.commands import stacks, web_acl
from oms.commands.closed_pipe import run_until_unread
from oms.commands.deployments import has_web_acl, settings_of
from oms.core import aws

BUILD = Path("build/console")
# CloudFront takes certificates, like web ACLs, of this region only.
CERTIFICATES_REGION = web_acl.REGION
INDEX = "index.html"
# Vite names the files of this folder by their content.
HASHED = "assets/"
IMMUTABLE = "public, max-age=31536000, immutable"
REVALIDATED = "no-cache"
# Not those of the machine, whose table may lack some.
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}


def target(stage: str) -> str:
    """Returns the target of make that builds the files, or "" if the stage has no back office."""
    return "console" if settings_of(stage).get("console") else ""


def prepare(stage: str, region: str) -> str:
    """Returns the arguments of the stack's parameters for the CDK CLI. Ends the process if the files are not built."""
    settings = settings_of(stage)
    if not settings.get("console"):
        return ""
    files_of(BUILD)
    if not has_web_acl(stage, settings):
        return ""
    requests = settings.get("console_web_acl_rate", web_acl.REQUESTS_IN_FIVE_MINUTES)
    return f"--parameters WebAclArn={web_acl.ensure(stage, region, requests=requests)}"


def files_of(folder: Path) -> list[str]:
    """Returns the paths of the built files below the folder, index.html last. Ends the process without them."""
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    if INDEX not in files or not any(file.startswith(HASHED) for file in files):
        raise SystemExit(
            f"The back office is not built: {folder}/{INDEX} or {folder}/{HASHED} is missing. Run `make console`, or "
            "remove the setting 'console' of the stage from cdk.json."
        )
    # The new index.html names new files, so they must be there first.
    return sorted(files, key=lambda file: file == INDEX)


def upload(folder: Path, bucket: str) -> int:
    """Uploads the files, and returns their number.

    It deletes none: a page that is open in a browser continues to load the files of its version.
    """
    s3 = aws.session().client("s3")
    files = files_of(folder)
    for file in files:
        s3.put_object(
            Bucket=bucket,
            Key=file,
            Body=(folder / file).read_bytes(),
            ContentType=_media_type(file),
            CacheControl=IMMUTABLE if file.startswith(HASHED) else REVALIDATED,
        )
    return len(files)


def publish(stage: str, *, say: Callable[[str], None] = print) -> None:
    """Uploads the files to the stage's bucket, if it has one."""
    outputs = stacks.outputs_of(stage)
    bucket = outputs.get("ConsoleBucket")
    if bucket is not None:
        say(f"{upload(BUILD, bucket)} files of the back office are uploaded: {outputs['ApiUrl']}")


def _media_type(file: str) -> str:
    suffix = Path(file).suffix
    return MEDIA_TYPES.get(suffix) or mimetypes.guess_type(file)[0] or "application/octet-stream"


def main() -> None:
    parser = stacks.stage_parser("Prepares the deployment of the back office, or uploads its files.")
    before = parser.add_mutually_exclusive_group()
    before.add_argument("--target", action="store_true", help="print the target of make that builds the files")
    before.add_argument("--prepare", action="store_true", help="before the deployment: print parameters for CDK")
    arguments = parser.parse_args()
    # It needs no account.
    if arguments.target:
        print(target(arguments.stage))
        return
    with stacks.acting_on(arguments.stage):
        if arguments.prepare:
            print(prepare(arguments.stage, stacks.region()))
        else:
            publish(arguments.stage)


if __name__ == "__main__":
    run_until_unread(main)
