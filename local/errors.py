"""The error that stops the local cloud or one of its tools."""


class LocalCloudError(Exception):
    """An error whose message is shown without a traceback. It says what is wrong and what to do."""
