"""Schedules: their expressions, routes' logic, entries in EventBridge Scheduler, and runs that create exports."""
