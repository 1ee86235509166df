"""Items of mails in the identity table: the claim of each mail with its result, and the counters of the limits.

No item contains the text or the address of a mail.
"""

from pynamodb.attributes import DiscriminatorAttribute, UnicodeAttribute

from oms.core.counters import ExpiringCounter
from oms.core.dynamodb import IntegerAttribute, StoredItem
from oms.core.settings import settings


class MailItem(StoredItem):
    class Meta:
        table_name = settings().identity_table

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    kind = DiscriminatorAttribute()


class Mail(MailItem, discriminator="mail"):
    """The claim to send one mail. `state` is claimed, then sent, undeliverable or unknown.

    `attempt` is the random id of the claim. By it, a worker recognizes its own claim after a lost response.
    """

    attempt = UnicodeAttribute()
    user_id = UnicodeAttribute(null=True)
    purpose = UnicodeAttribute()
    state = UnicodeAttribute(default="claimed")
    at = UnicodeAttribute()
    message_id = UnicodeAttribute(null=True)
    expires_at = IntegerAttribute(attr_name="ttl")


class MailCount(MailItem, ExpiringCounter, discriminator="mail-count"):
    """The number of mails that were sent in one period of a limit."""


def mail_key(cause: str) -> tuple[str, str]:
    """Returns the key of a mail, which allows one mail for each cause."""
    return f"mail#{cause}", "mail"


def mail_count_key(partition: str, limit_name: str, period: int) -> tuple[str, str]:
    """Returns the key of a count. `period` counts the limit's periods since 1970."""
    return partition, f"mails#{limit_name}#{period}"
