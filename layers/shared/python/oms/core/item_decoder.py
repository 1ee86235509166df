"""Decodes stored items: one function for each model, whose source is written from the model's attributes.

PynamoDB's own decoder copies the attributes of a list's elements for each list of each item, and sets each attribute
by a descriptor. The functions give the same items. They know only the form in which a model's items are stored, and
raise an exception of `OTHER_FORM` for an item of another form.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from pynamodb.attributes import (
    Attribute,
    AttributeContainer,
    DiscriminatorAttribute,
    ListAttribute,
    MapAttribute,
    NullAttribute,
)

type RawItem = Mapping[str, Any]
"""An item as DynamoDB returns it: `{"id": {"S": "…"}, …}`."""

# An attribute is missing or has another type (KeyError, TypeError), or its value is not of this type (ValueError).
OTHER_FORM = (KeyError, TypeError, ValueError)


@cache
def decoder[T: AttributeContainer](model: type[T]) -> Callable[[RawItem], T]:
    """Returns the function that decodes items of a model or of its registered subclasses."""
    kind = discriminator(model)
    if kind is None:
        return _decoder_of_class(model)

    def decode(raw: RawItem) -> T:
        stored = raw.get(kind.attr_name)
        cls = model if stored is None else kind.deserialize(stored[kind.attr_type])
        if not issubclass(cls, model):
            raise TypeError(cls)
        item: T = _decoder_of_class(cls)(raw)
        return item

    return decode


def discriminator(model: type[AttributeContainer]) -> DiscriminatorAttribute | None:
    """Returns the attribute that names the class of an item, or None if the model has no subclasses."""
    attributes = model.get_attributes().values()
    return next((attribute for attribute in attributes if isinstance(attribute, DiscriminatorAttribute)), None)


@cache
def _decoder_of_class(cls: type[AttributeContainer]) -> Callable[[RawItem], Any]:
    source = _Source(cls)
    exec(compile(source.text(), f"<decoder of {cls.__name__}>", "exec"), source.names)  # noqa: S102 - of the model alone
    decode: Callable[[RawItem], Any] = source.names["decode"]
    return decode


class _Source:
    """The source of a decoder. `names` are the objects that it uses."""

    def __init__(self, cls: type[AttributeContainer]) -> None:
        self._cls = cls
        self.names: dict[str, Any] = {"cls": cls, "new": object.__new__, "put": object.__setattr__}

    def text(self) -> str:
        always, optional, by_descriptor = [], [], []
        for name, attribute in self._cls.get_attributes().items():
            if isinstance(attribute, DiscriminatorAttribute):
                if attribute.get_discriminator(self._cls) is not None:
                    always.append(f"{name!r}: cls")
                continue
            if isinstance(attribute, NullAttribute):  # PynamoDB does not set it
                optional.append(f"if {attribute.attr_name!r} in raw: raise KeyError")
                continue
            value = self._decoded(attribute, f"raw[{attribute.attr_name!r}]")
            if not _is_stored_as_is(attribute):
                by_descriptor += self._optional(attribute, f"item.{name} = ", value)
            elif attribute.null or attribute.default is not None:
                optional += self._optional(attribute, f"values[{name!r}] = ", value)
            else:
                always.append(f"{name!r}: {value}")
        lines = [
            f"values = {{{', '.join(always)}}}",
            *optional,
            "item = new(cls)",
            "put(item, 'attribute_values', values)",
            *by_descriptor,
            "return item",
        ]
        return "\n ".join(["def decode(raw):", *lines])

    def _optional(self, attribute: Attribute[Any], target: str, value: str) -> list[str]:
        lines = [f"if {attribute.attr_name!r} in raw: {target}{value}"]
        if attribute.default is not None:
            default = self._name(attribute.default)
            lines.append(f"else: {target}{default}{'()' if callable(attribute.default) else ''}")
        return lines

    def _decoded(self, attribute: Attribute[Any], stored: str) -> str:
        """Returns the expression of an attribute's value. `stored` is the expression of its stored form."""
        value = f"{stored}[{attribute.attr_type!r}]"
        if isinstance(attribute, ListAttribute) and attribute.element_type:
            element = self._converted(attribute.element_type, f"it[{attribute.element_type.attr_type!r}]")
            if element:
                return f"[{element} for it in {value}]"
        return self._converted(type(attribute), value) or f"{self._name(attribute.deserialize)}({value})"

    def _converted(self, kind: type[Attribute[Any]], value: str) -> str | None:
        """Returns the expression of a value, if it depends only on the class of its attribute."""
        if kind.deserialize is Attribute.deserialize:
            return value
        if issubclass(kind, MapAttribute) and not kind.is_raw():
            return f"{self._name(decoder(kind))}({value})"
        return None

    def _name(self, used: object) -> str:
        name = f"_{len(self.names)}"
        self.names[name] = used
        return name


def _is_stored_as_is(attribute: Attribute[Any]) -> bool:
    """Returns whether an item keeps a decoded value unchanged, when it is set."""
    if isinstance(attribute, MapAttribute):
        return not attribute.is_raw()
    return type(attribute).__set__ is Attribute.__set__
