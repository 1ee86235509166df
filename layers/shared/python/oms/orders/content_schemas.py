"""Field types of an order's metadata, tags and purchase order, and the request that changes an order."""

import unicodedata
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints

from oms.core import texts
from oms.core.address_schemas import PostalAddress
from oms.core.schemas import INVISIBLE_IS_NULL, KeyName, OptionalText, PartialRequest, Prose

MAX_METADATA_KEYS = 50
# All keys and values of ASCII text fit. It bounds the size of the order and of its events, which the bus limits.
MAX_METADATA_BYTES = 28 * 1024
MAX_TAGS = 20


def check_metadata(metadata: dict[str, str]) -> dict[str, str]:
    """Returns the metadata. Raises ValueError if it has too many keys or too many bytes of UTF-8."""
    if len(metadata) > MAX_METADATA_KEYS:
        raise ValueError(f"must have at most {MAX_METADATA_KEYS} keys")
    if sum(len(text.encode()) for pair in metadata.items() for text in pair) > MAX_METADATA_BYTES:
        raise ValueError(f"must have at most {MAX_METADATA_BYTES} bytes of keys and values in UTF-8")
    return metadata


def _value(text: str) -> str:
    # Escaped in JSON, such a character is six times as long.
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in text if character not in "\t\n\r"):
        raise ValueError("must not have control characters, except tabs and line breaks")
    if not texts.is_visible(text):
        raise ValueError(texts.NOTHING_VISIBLE)
    return text


def _tag(text: str) -> str:
    if "," in text:
        raise ValueError("must not have a comma, which separates the tags of a filter")
    return text.lower()


def _each_once(tags: list[str]) -> list[str]:
    return sorted(set(tags))


# Neither keys nor values are normalized: they belong to the system that wrote them.
MetadataKey = Annotated[str, StringConstraints(min_length=1, max_length=40), AfterValidator(texts.visible)]
MetadataValue = Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(_value)]
Metadata = Annotated[
    dict[MetadataKey, MetadataValue], Field(max_length=MAX_METADATA_KEYS), AfterValidator(check_metadata)
]
MetadataChanges = Annotated[
    dict[MetadataKey, Annotated[MetadataValue | None, INVISIBLE_IS_NULL]], Field(max_length=MAX_METADATA_KEYS)
]
# One form for each tag, so that a filter finds it however it is typed.
Tag = Annotated[str, KeyName(40), AfterValidator(_tag)]
Tags = Annotated[list[Tag], Field(max_length=MAX_TAGS), AfterValidator(_each_once)]
PurchaseOrder = Annotated[Annotated[str, Prose(100, one_line=True)] | None, INVISIBLE_IS_NULL]
# So a request that spells out the default is the same request as one that omits it.
EMPTY_IS_NULL = AfterValidator(lambda value: value or None)


class UpdateOrderRequest(PartialRequest):
    """Fields to change. Omitted fields are unchanged; null removes a field."""

    shipping_address: PostalAddress | None = Field(
        None, description="The whole address to which the order is sent; null removes it."
    )
    billing_address: PostalAddress | None = Field(
        None, description="The whole address for the invoice; null removes it."
    )
    note: OptionalText = Field(
        None, description="The customer's note to the shop; null removes it.", examples=["Leave it with the porter."]
    )
    purchase_order: PurchaseOrder = Field(
        None,
        description="The number of the customer's own purchase order; null removes it.",
        examples=["PO-2026-0117"],
    )
    metadata: MetadataChanges | None = Field(
        None,
        description="Keys to add or to replace. Other keys stay. A key with null or a text without visible characters "
        "is removed; null instead of an object removes all keys.",
        examples=[{"cart_id": "c-7781"}],
    )
    tags: Annotated[Tags | None, EMPTY_IS_NULL] = Field(
        None, description="All tags of the order; null or `[]` removes them.", examples=[["gift", "wholesale"]]
    )

    def stored_contents(self) -> dict[str, Any]:
        """Returns the sent fields in the form in which an order stores them, by name.

        `metadata` is among them only if it is null, since the other changes depend on the stored metadata.
        """
        sent = {name: getattr(self, name) for name in self.model_fields_set}
        if sent.get("metadata") is not None:
            del sent["metadata"]
        return {name: value.stored() if isinstance(value, PostalAddress) else value for name, value in sent.items()}
