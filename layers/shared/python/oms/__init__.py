"""The shared code of the order management system: one package per domain, small modules for what they have in common."""
