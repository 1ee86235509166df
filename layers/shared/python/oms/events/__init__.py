"""Events: their types and envelope, and how the stream of a table is consumed."""
