"""The shared code of all functions. Packages are listed from the bottom up in `tests/unit/test_imports.py`."""
