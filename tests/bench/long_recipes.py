"""Recipes of ten thousand lines, each long in another way, and right in the house layout."""

LINES = 10_000
MODELS = (
    'model base from "zoo:emoji-llm-base"\n'
    'model eyes from "zoo:emoji-vlm-en"\n'
    'model tongue from "zoo:emoji-llm-ja"\n'
)
MERGE = """
merge child_{number} {{
  keep vision, projector, embed, head from eyes

  language.layers by task_arithmetic {{
    base base
    take eyes.language {{ weight = 0.0..1.2 start 0.5 per layer }}
    take tongue {{ weight = 0.0..1.2 start 0.5 per layer }}
  }}
}}
"""


def lets() -> str:
    """A hole on every line."""
    lines = (f"let share_{n} = 0.0..1.0 start 0.5 per 8 layers\n" for n in range(LINES - 2))
    return "recipe lets\n\n" + "".join(lines)


def merges() -> str:
    """Many merges of the same models."""
    count = LINES // MERGE.count("\n")
    return "recipe merges\n\n" + MODELS + "".join(MERGE.format(number=n) for n in range(count))


def takes() -> str:
    """One merge of many ingredients."""
    lines = (f"    take tongue {{ weight = {n % 7}.5 }}\n" for n in range(LINES))
    head = "merge child {\n  keep vision, projector, embed, head from eyes\n\n"
    return f"recipe takes\n\n{MODELS}\n{head}  language.layers by linear {{\n{''.join(lines)}  }}\n}}\n"


def hops(maybe: str = "") -> str:
    """One road of many hops."""
    lines = "\n    -> ".join(f"{maybe}tongue.layers[{n % 8}]" for n in range(LINES))
    return (
        'recipe hops\n\nmodel tongue from "zoo:emoji-llm-ja"\n\nroute road {\n'
        f"  begin tongue\n  path {lines}\n  end tongue\n}}\n"
    )


LONG = {
    "lets": lets(),
    "merges": merges(),
    "takes": takes(),
    "hops": hops(),
    "hops, each `maybe`": hops("maybe "),
}
