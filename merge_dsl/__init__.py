"""awase's front half: text -> recipe -> space -> candidate, and the search over candidates.

Knows no tensor: nothing here imports torch, transformers, open_clip or datasets.
"""
