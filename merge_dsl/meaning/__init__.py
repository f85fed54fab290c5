"""What it says: signatures, places and facts of models, the recipe with its names bound."""
