"""Claims of e-mail addresses, for users that tests store without a registration."""

from oms.core.dynamodb import put_item
from oms.core.email_addresses import fold
from oms.identity.models import Claim, claim_key
from tests.support.invocation import Person


def claimed(person: Person, email: str = "alice@example.com") -> str:
    """Stores the person's claim of an address, and returns the address."""
    pk, sk = claim_key(fold(email))
    put_item(Claim(pk=pk, sk=sk, user_id=person.id))
    return email
