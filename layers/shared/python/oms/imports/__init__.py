"""Imports: the rows of an uploaded file create and change products, prices, stock and orders."""
