"""Exports: reports that are written to files in S3. A later run can continue after each part."""
