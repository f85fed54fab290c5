"""Candidate of a route -> a walk that runs on shared weights, and its ordinary checkpoint."""
