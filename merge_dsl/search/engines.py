"""The engines by the names that a recipe gives them."""

from collections.abc import Callable

from merge_dsl.search.cma_es import CmaEs
from merge_dsl.search.engine import Engine
from merge_dsl.search.nsga2 import Nsga2
from merge_dsl.search.random import RandomSearch

# `make(start, seed, sizes=…, **settings)`, the settings being those written in the recipe's `by` line.
ENGINES: dict[str, Callable[..., Engine]] = {
    "cma_es": CmaEs,
    "random": RandomSearch,
    "nsga2": Nsga2,
}
