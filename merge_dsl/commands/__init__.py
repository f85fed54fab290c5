"""What `awase` does: one file a command, each with `run(args) -> int`, the exit code."""
