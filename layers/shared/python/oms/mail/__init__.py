"""Mails: which event causes one, what it says, and sending it at most once."""
