"""Products, their stock items, and categories."""
