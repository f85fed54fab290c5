"""Checkpoints on disk: read tensor by tensor, written beside and renamed into place."""
