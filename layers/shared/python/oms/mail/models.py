"""What is known of each mail: that it was asked for, and what became of it. Kept in the identity table.

No item holds what a mail says, or where it went.
"""

from pynamodb.attributes import DiscriminatorAttribute, UnicodeAttribute

from oms.core.dynamodb import IntegerAttribute, StoredItem
from oms.core.settings import settings


class MailItem(StoredItem):
    class Meta:
        table_name = settings().identity_table

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    kind = DiscriminatorAttribute()


class Mail(MailItem, discriminator="mail"):
    """The claim to send one mail. `state`: claimed, then sent, undeliverable or unknown.

    `attempt` names who claimed it, so that a claim whose answer was lost is found to be one's own.
    """

    attempt = UnicodeAttribute()
    user_id = UnicodeAttribute()
    purpose = UnicodeAttribute()
    state = UnicodeAttribute(default="claimed")
    at = UnicodeAttribute()
    message_id = UnicodeAttribute(null=True)
    expires_at = IntegerAttribute(attr_name="ttl")


class MailCount(MailItem, discriminator="mail-count"):
    """How many mails were sent in one period of a bound."""

    n = IntegerAttribute(default=0)
    expires_at = IntegerAttribute(attr_name="ttl")


def mail_key(cause: str) -> tuple[str, str]:
    """One mail for each cause."""
    return f"mail#{cause}", "mail"


def mail_count_key(partition: str, bound: str, period: int) -> tuple[str, str]:
    return partition, f"mails#{bound}#{period}"
