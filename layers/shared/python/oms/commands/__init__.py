"""Commands that an operator runs, as `python -m oms.commands.<name>`. No Lambda function imports them."""
