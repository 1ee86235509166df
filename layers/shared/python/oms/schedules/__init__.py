"""Schedules: expressions, the service of the routes, entries in EventBridge Scheduler, and runs that create exports."""
