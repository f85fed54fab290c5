"""What is wrong with a recipe: one file a family, plain functions from a recipe to diagnostics.

A rule is a function `(Checked) -> Iterator[Diagnostic]`. `merge_dsl/rules/all.py` lists them.
"""
