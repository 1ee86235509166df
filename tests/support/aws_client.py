"""Clients of moto's AWS. Each is created once, since that takes longer than most tests."""

from functools import cache
from typing import Any

import boto3

REGION = "eu-central-1"  # of tests/conftest.py


@cache
def aws_client(service: str) -> Any:
    make: Any = boto3.client  # its stubs know a service only as a literal
    return make(service)
