"""How the space is explored: engines that propose points, a journal that keeps what they came to.

`run_search` in `loop.py` is the door. Importing this package imports neither numpy nor pycma.
"""
