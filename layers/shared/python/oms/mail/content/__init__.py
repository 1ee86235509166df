"""The content of each mail and the users who get it, by domain."""
