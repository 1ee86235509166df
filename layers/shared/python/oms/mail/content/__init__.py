"""What each mail says and who may get it, by the domain that it is about."""
