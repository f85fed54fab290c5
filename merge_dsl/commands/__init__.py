"""What `awase` does: one file a command, each with `run(args) -> int`, the exit code.

Beside them: `common.py`, which all commands share, and `asking.py`, what a recipe asks of `vlm`.
"""
