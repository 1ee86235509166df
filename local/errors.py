"""What stops the local cloud: one sentence for people, with the way out."""


class LocalCloudError(Exception):
    """The message is shown as it is, without a trace."""
