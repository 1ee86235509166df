"""What every package builds on: settings, time, money, errors, DynamoDB, pages, idempotency. It knows no domain."""
