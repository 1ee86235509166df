"""The stock ledger: a movement for each version of a stock item, and the check and repair that compare both."""
