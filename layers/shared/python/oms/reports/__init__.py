"""Reports: sums that are updated with each change, and the reports that are read from them."""
