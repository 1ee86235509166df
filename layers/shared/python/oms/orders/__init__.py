"""Orders: pricing, placing, and moving them from one status to the next."""
