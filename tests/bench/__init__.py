"""Side-by-side measurements. Run by hand, `make bench`; pytest does not collect them."""
