"""Reports: sums that follow each change, and what is answered from them."""
