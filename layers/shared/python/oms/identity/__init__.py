"""Users, sessions, tokens, passwords, and the limits on attempts and requests."""
