"""The shared code of the order management system: a package per domain, and small modules for what they share."""
