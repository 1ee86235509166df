"""Service keys: the credentials of other systems, with scopes, limits and addresses."""
