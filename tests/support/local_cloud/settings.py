"""The settings of the stage that the integration tests deploy."""

# Limits so high that tests sign in and order as often as they need; a concurrency that none of them reaches; a check of
# the stock book that compares what is as old as the slowest request here.
SETTINGS = {
    "register_limit": 100_000,
    "login_limit": 100_000,
    "passwords_concurrency": 60,
    "settle_seconds": 10,
    "open_orders_limit": 100_000,
}
