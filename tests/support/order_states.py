"""The legal transitions of an order, from the contract: the tests' own copy."""

LEGAL = {
    ("pending", "confirmed"),
    ("confirmed", "shipped"),
    ("shipped", "delivered"),
    ("shipped", "returned"),
    ("delivered", "returned"),
    ("pending", "cancelled"),
    ("confirmed", "cancelled"),
    ("pending", "expired"),
}
