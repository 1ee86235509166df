"""Reports: sums that every change updates, and the reports that are read from them."""
