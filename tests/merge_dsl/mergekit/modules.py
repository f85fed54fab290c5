"""The functions behind the commands; `import` is a word that no `from` takes."""

import importlib

import_text = importlib.import_module("merge_dsl.commands.import").import_text
export_text = importlib.import_module("merge_dsl.commands.export").export_text
