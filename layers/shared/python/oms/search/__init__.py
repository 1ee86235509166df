"""Finding: the search terms of orders, which the finder stores, and the lists that read them."""
