"""The stock ledger: a movement for each version of a stock item, and the stock check and repair that use them."""
