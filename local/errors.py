"""The error that stops the local cloud or one of its tools."""


class LocalCloudError(Exception):
    """Its message is shown without a traceback. It says what is wrong, and what to do."""
