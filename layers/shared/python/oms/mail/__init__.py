"""Mail: the notifications that events cause, with their content and limits. Each mail is sent at most once."""
