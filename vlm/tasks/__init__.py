"""Data sets as questions about pictures, in one shape whatever file they come from."""
