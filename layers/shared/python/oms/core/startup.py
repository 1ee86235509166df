"""The start of a function: no garbage is collected until it is imported.

Imports create many objects that stay, and little garbage. Searching them for garbage again and again takes a twelfth of
the start.
"""

import gc

from oms.core.settings import aws_variable


def begin() -> None:
    """Stops the collection in Lambda. The package of each function calls it, before its handler is imported."""
    if aws_variable("AWS_LAMBDA_FUNCTION_NAME"):
        gc.disable()


def finish() -> None:
    """Starts the collection again, without the objects that exist now. The wrappers of handlers call it."""
    if not gc.isenabled():
        gc.enable()
        gc.freeze()
