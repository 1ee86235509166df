"""Mail: notifications that events cause, their content and limits, and sending each at most once."""
