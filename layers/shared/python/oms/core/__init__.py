"""Foundations of all packages: settings, time, money, errors, DynamoDB, pages, idempotency. No domain rules."""
