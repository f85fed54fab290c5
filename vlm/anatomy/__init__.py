"""Which tensor is which part of a model, found from its config and never from a list of families."""
