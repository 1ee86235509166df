"""Publishing: the event registry, which knows the changes of all domains that cause events, and the bus."""
