"""The audit log: who did which action, sealed into a hash chain that shows every later change."""
