"""E-mail addresses in the form that mail is sent to."""


def on_the_wire(email: str) -> str | None:
    """The address in ASCII, or None where it has no such form: SES does not speak SMTPUTF8 (RFC 6531).

    https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_Destination.html. The domain goes as IDNA 2003 maps it,
    which maps `ß` to `ss` as the folding of addresses does: two addresses that are one account have one mailbox.
    """
    local, _, domain = email.rpartition("@")
    if not local.isascii():
        return None
    try:
        return f"{local}@{domain.encode('idna').decode()}"
    except UnicodeError:  # a label that is too long then, or has characters that no name has
        return None
