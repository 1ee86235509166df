"""Schedules: exports that are created regularly, and mailed."""
