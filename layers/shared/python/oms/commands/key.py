"""Creates a service key: `python -m oms.commands.key --stage S --name N --scopes orders:read,stock:write`.

Prints the key alone to stdout, once. It is for the first key of a stage: admins create, change and delete keys by
`/api/v1/admin/keys`.
"""

from pydantic import ValidationError

from oms.audit.models import AuditItem
from oms.commands.closed_pipe import run_until_unread
from oms.commands.stacks import ALL_STAGES, acting_on, operator, stage_parser
from oms.core.actors import System
from oms.core.errors import TooManyServiceKeysError
from oms.service_keys import service
from oms.service_keys.models import KeyItem
from oms.service_keys.schemas import CreateServiceKeyRequest
from oms.service_keys.scopes import SCOPES
from oms.service_keys.service import By


def create_key(name: str, scopes: str, *, stage: str, operator_arn: str) -> str:
    """Creates a key with scopes that are separated by commas; returns its text.

    Raises ValueError for an invalid name or scope, TooManyServiceKeysError, UnavailableError.
    """
    try:
        request = CreateServiceKeyRequest.model_validate({"name": name, "scopes": scopes.split(",")})
    except ValidationError as error:
        (first, *_) = error.errors()
        field = str(first["loc"][0])
        known = f" The scopes are {', '.join(SCOPES)}." if field == "scopes" else ""
        raise ValueError(f"{field}: {first['msg']}.{known}") from error
    # An operator has no account, and may grant what an admin may. The audit log names their AWS identity.
    by = By(System().id, "admin", operator_arn, "operator", None)
    _, token = service.create(request, stage=stage, by=by)
    return str(token)


def main() -> None:
    parser = stage_parser("Creates a service key of a stage and prints it.", stages=ALL_STAGES)
    parser.add_argument("--name", required=True, help="the system that will use the key")
    parser.add_argument("--scopes", required=True, help=f"separated by commas, of: {', '.join(SCOPES)}")
    arguments = parser.parse_args()
    stage: str = arguments.stage
    with acting_on(stage, {KeyItem: "Identity", AuditItem: "Audit"}):
        try:
            text = create_key(arguments.name, arguments.scopes, stage=stage, operator_arn=operator())
        except (TooManyServiceKeysError, ValueError) as error:
            raise SystemExit(str(error)) from error
    print(text)


if __name__ == "__main__":
    run_until_unread(main)
