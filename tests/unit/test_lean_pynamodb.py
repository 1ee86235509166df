"""PynamoDB without botocore's client, each time in a new process: the tests themselves import the client."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATHS = os.pathsep.join(str(ROOT / it) for it in ("layers/shared/python", "functions"))


def output(script: str) -> str:
    environment = {"PYTHONPATH": PATHS, "AWS_REGION": "eu-central-1"}
    command = [sys.executable, "-c", script]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


def test_models_and_transactions_need_no_client_of_botocore() -> None:
    script = """
import sys
from oms.core.transactions import transaction
from oms.inventory.models import StockItem
print([it for it in sys.modules if it.startswith("botocore.")])
"""

    found = output(script)

    assert "botocore.exceptions" in found
    for part in ("client", "config", "endpoint", "model", "session", "signers"):
        assert f"'botocore.{part}'" not in found, f"PynamoDB imports botocore.{part} in another way"


def test_botocores_own_client_is_found_after_pynamodb() -> None:
    script = """
import oms.core.dynamodb
import botocore.client, botocore.session
client = botocore.session.get_session().create_client("dynamodb", region_name="eu-central-1")
print(isinstance(client, botocore.client.BaseClient), client.meta.service_model.operation_model("GetItem").name)
"""

    assert output(script) == "True GetItem"


def test_pynamodbs_classes_catch_botocores_errors() -> None:
    script = """
import oms.core.dynamodb
from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.connection import base
print(base.ClientError is ClientError, base.BOTOCORE_EXCEPTIONS == (BotoCoreError, ClientError))
"""

    assert output(script) == "True True"


def test_pynamodb_cannot_make_a_client_of_its_own() -> None:
    script = """
from oms.core.lean_pynamodb import Connection
try:
    Connection(region="eu-central-1").session
except TypeError as error:
    print(error)
"""

    assert output(script) == "PynamoDB has no client of its own here: use oms.core.dynamodb"


def test_a_client_that_is_imported_already_is_used() -> None:
    script = """
import botocore.session
import oms.core.dynamodb
from pynamodb.connection import base
print(base.get_session is botocore.session.get_session)
"""

    assert output(script) == "True"
