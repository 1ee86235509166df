"""The event feed: events in the order of their publication, kept for 90 days."""
