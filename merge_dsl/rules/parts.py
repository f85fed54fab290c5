"""K207: parts that an origin does not have, or that a road cannot walk."""

from collections.abc import Iterator

from merge_dsl.meaning.parts import leaves
from merge_dsl.meaning.recipe import BlendLine
from merge_dsl.rules.checked import Checked
from merge_dsl.text.diagnostics import Diagnostic, finding


def parts_of_origins(checked: Checked) -> Iterator[Diagnostic]:
    """K207: `take llava.vision` cannot fill language layers, and an origin has no layer range."""
    for merge in checked.recipe.merges.values():
        for line in merge.lines:
            origins = [line.origin] if not isinstance(line, BlendLine) else list(line.bases)
            if isinstance(line, BlendLine):
                origins += [take.origin for take in line.takes]
            wanted = {leaf for part in line.parts for leaf in leaves(part)}
            for origin in origins:
                if origin.part is None or origin.part.name is None:
                    continue
                if origin.part.kind:
                    message = "the kind of tensors is named on the left of the line"
                    help = f"write `{origin.part.name} by …`, and `{origin.model}` alone here"
                    yield finding("K207", origin.span, message, help)
                elif origin.part.slices is not None:
                    message = "layers are named on the left of the line, not at the model"
                    help = "write `language.layers[0..7] by …`; layer 3 comes from layer 3"
                    yield finding("K207", origin.span, message, help)
                elif not wanted <= set(leaves(origin.part)) and wanted:
                    missing = " and ".join(sorted(p.text for p in line.parts))
                    message = f"`{origin.model}.{origin.part.text}` does not hold {missing}"
                    help = f"write `{origin.model}` alone: the parts are named on the left"
                    yield finding("K207", origin.span, message, help)


STACK = ("language", "vision", "language.layers", "vision.layers")  # what a road can walk


def parts_of_roads(checked: Checked) -> Iterator[Diagnostic]:
    """K207: a road walks whole layers, not other parts and not the tensors of one kind."""
    for route in checked.recipe.routes.values():
        for origin in route.origins:
            part = origin.part
            if part is None or part.name is None or part.name in STACK:
                continue
            if origin in route.begins or origin in route.ends:
                continue
            what = f"only the {part.kind} of each layer" if part.kind else "no layers"
            message = f"a road walks whole layers; `{origin.model}.{part.text}` is {what}"
            yield finding("K207", origin.span, message, f"write `{origin.model}.layers[…]`")
