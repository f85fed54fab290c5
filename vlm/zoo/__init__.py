"""The embedded world: drawings with names in two languages, and models that were trained on them."""
