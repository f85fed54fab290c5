"""`awase lsp`: what an editor asks about a recipe, and the answers.

Everything here but `server.py` and the files that make protocol types works on plain text and data.
Nothing outside this room imports it, and only `awase lsp` does so at all: pygls takes half a second.
"""
