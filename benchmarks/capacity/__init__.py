"""Simulations that show where each part of the system ends: the real code, with AWS's limits, under virtual time."""
