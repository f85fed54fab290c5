"""A document as the editor holds it -> everything that the answers are made from.

In: a path and the text. Out: `Document`: the text as lint reads it, what lint finds, the recipe as far
as it can be read, and the names. Nothing here raises for what a user wrote.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from merge_dsl.meaning.facts import Facts, FactsError, facts_of
from merge_dsl.meaning.load import load_source
from merge_dsl.meaning.places import locate
from merge_dsl.meaning.recipe import Recipe
from merge_dsl.text.diagnostics import Diagnostic
from merge_dsl.text.reading import source_of
from merge_dsl.text.source import Source
from merge_dsl.tools.lsp.names import Named, names_of
from merge_dsl.tools.lsp.positions import Positions
from merge_dsl.tools.selection import ConfigError, Selection, configured


@dataclass(frozen=True)
class Document:
    """`recipe` is None where something is an error. `trouble` is what is wrong with pyproject.toml."""

    source: Source
    positions: Positions
    diagnostics: tuple[Diagnostic, ...]
    recipe: Recipe | None
    about_bytes: tuple[Diagnostic, ...] = ()
    selection: Selection = field(default_factory=Selection)
    trouble: str = ""

    @cached_property
    def names(self) -> dict[str, Named]:
        return names_of(self.source)

    def find(self, source: Source) -> Sequence[Diagnostic]:
        """What lint finds in another state of this text."""
        about = list(self.about_bytes) if source is self.source else None
        found = load_source(source, found=about, form=True).diagnostics
        return self.selection.kept(source.path, found)

    def facts(self, named: Named) -> tuple[Facts | None, str]:
        """What is known of a model, or why nothing is."""
        if self.recipe is not None and named.name in self.recipe.models:
            return self.recipe.models[named.name].facts, ""
        at = locate(named.address, "model", named.source.folder)
        if at.problem is not None:
            return None, at.problem
        try:
            return facts_of(at.place, at.path), ""
        except FactsError as error:
            return None, str(error)


def read(path: str, text: str, encoding: str = "utf-16") -> Document:
    """Read a text that lies, or will lie, at a path."""
    # A lone surrogate is no text; it is one character before and after.
    source, found = source_of(path, text.encode("utf-8", "replace"))
    selection, trouble = Selection(), ""
    try:
        selection = configured(source.folder)
    except ConfigError as error:
        trouble = f"{error.what}; {error.way_out}" if error.way_out else error.what
    loaded = load_source(source, found=found, form=True)
    return Document(
        loaded.source,
        Positions(loaded.source.text, encoding),
        selection.kept(path, loaded.diagnostics),
        loaded.recipe,
        tuple(found),
        selection,
        trouble,
    )
