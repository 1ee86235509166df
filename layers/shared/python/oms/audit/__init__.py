"""The audit log: records of security-relevant actions, sealed into a hash chain that reveals later changes."""
