"""What an operator runs, one module for each command. Not in Lambda's layer: no function imports them."""
