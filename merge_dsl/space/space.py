"""Points of the unit cube and values, for a whole space.

In: a space, and a point or values. Out: the other. Engines see points; journals and recipes see values.
"""

from collections.abc import Mapping, Sequence

from merge_dsl.space import genes
from merge_dsl.space.candidate import Value
from merge_dsl.space.routes import AnySpace


def decode(space: AnySpace, point: Sequence[float]) -> tuple[Value, ...]:
    """A point -> one value for each gene."""
    return tuple(genes.decode(g, x) for g, x in zip(space.genes, point, strict=True))


def encode(space: AnySpace, values: Sequence[Value]) -> tuple[float, ...]:
    """One value for each gene -> a point. Raises ValueError for an option that a gene lacks."""
    return tuple(genes.encode(g, v) for g, v in zip(space.genes, values, strict=True))


def start(space: AnySpace) -> tuple[Value, ...]:
    """Where a search of this space begins."""
    return tuple(gene.start for gene in space.genes)


class Outside(ValueError):
    """A value that its gene never takes, and what it takes."""

    def __init__(self, name: str, value: Value, takes: str) -> None:
        super().__init__(f"{name} is {takes}, and {value!r} is not")


def values_by_name(space: AnySpace, table: Mapping[str, Value]) -> tuple[Value, ...]:
    """Named values in the order of the genes; a gene that is not named keeps its start.

    Raises ValueError for a name or a value that no gene has, Outside for one out of its range.
    """
    unknown = sorted(set(table) - {gene.name for gene in space.genes})
    if unknown:
        raise ValueError(f"there is no gene {', '.join(unknown)}")
    for gene in space.genes:
        takes = genes.takes(gene, table[gene.name]) if gene.name in table else None
        if takes is not None:
            raise Outside(gene.name, table[gene.name], takes)
    found = tuple(table.get(gene.name, gene.start) for gene in space.genes)
    return decode(space, encode(space, found))
