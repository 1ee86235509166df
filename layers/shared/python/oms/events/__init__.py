"""Events: their types, patterns and envelope, and the consumers of queues and of tables' streams."""
