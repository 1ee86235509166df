"""Commands of an operator, each run as `python -m oms.commands.<name>`. No function imports them."""
