"""Where the document and what it is made of are."""

from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FUNCTIONS = ROOT / "functions"
DOCUMENT = FUNCTIONS / "docs" / "openapi.json"

type Json = dict[str, Any]
