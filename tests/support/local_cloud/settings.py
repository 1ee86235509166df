"""The settings of the stage that the integration tests deploy."""

# Limits so high that tests sign in and order as often as they need; a concurrency that none of them reaches; a stock
# check that compares items as old as the slowest request here; mails without a rate limit, so that none waits minutes
# behind those of earlier tests.
SETTINGS = {
    "register_limit": 100_000,
    "login_limit": 100_000,
    "passwords_concurrency": 60,
    "settle_seconds": 10,
    "mail_concurrency": 8,
    "customer_requests_per_minute": 1_000_000,
    "manager_requests_per_minute": 1_000_000,
    "open_orders_limit": 100_000,
    "order_units_limit": 1_000_000,
    "unverified_open_orders_limit": 100_000,
    "unverified_order_units_limit": 1_000_000,
    "unverified_stock_share_limit": 100,
}
