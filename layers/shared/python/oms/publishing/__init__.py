"""Publishing: which change becomes which event, and the bus. The one place that knows all domains."""
