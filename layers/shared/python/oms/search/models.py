"""The items of the search table: the search terms of orders."""

from pynamodb.attributes import UnicodeAttribute

from oms.core.dynamodb import StoredItem
from oms.core.settings import settings


class Term(StoredItem):
    """A search term of an order. The partition has the kind and the term, and the sort key is the order's
    `created_key`, so that a Query of the partition lists the orders of a term by their time.
    """

    class Meta:
        table_name = settings().search_table

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
