"""Exports: reports written to files in S3, in parts that a later run can resume."""
