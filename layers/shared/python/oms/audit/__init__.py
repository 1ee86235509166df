"""The audit log: who did what, sealed into a hash chain so that a later change shows."""
