"""`python -m local.openapi` writes the document, `--check` compares it."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from local.openapi.paths import DOCUMENT, FUNCTIONS, ROOT
from oms.commands.closed_pipe import run_until_unread


def main(arguments: Sequence[str] | None = None, *, document: Path = DOCUMENT) -> None:
    sys.path.append(str(FUNCTIONS))  # For the handlers' packages, as in the paths of pytest and Lambda.
    from local.openapi.document import text  # Here, since it imports the handlers.

    parser = argparse.ArgumentParser(description="Writes the merged OpenAPI document from the routes.")
    parser.add_argument("--check", action="store_true", help="compare only; fail if the committed document is stale")
    if not parser.parse_args(arguments).check:
        document.write_text(text())
        print(f"{document.relative_to(ROOT)} is written")
    elif document.read_text() != text():
        raise SystemExit("The OpenAPI document is stale: run `make openapi` and commit it.")


if __name__ == "__main__":
    run_until_unread(main)
