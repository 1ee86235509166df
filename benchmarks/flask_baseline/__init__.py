"""A plain order API of Flask and SQLAlchemy, as a reference for the CPU time of requests."""
