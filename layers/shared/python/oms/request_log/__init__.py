"""The request log: the functions' log lines about requests, as a list for admins."""
