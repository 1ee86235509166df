"""Orders: pricing, placing and reading them, and moving them from one status to the next."""
