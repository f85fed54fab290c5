"""What a YAML file of ours is made of, and how a model is named in it.

In: models. Out: `Written`: texts, numbers, truth, lists and tables, which `yaml_out` turns into text.
"""

from collections.abc import Mapping, Sequence
from typing import Union

from merge_dsl.tools.mergekit.plan import Model

Written = Union[str, float, int, bool, "Sequence[Written]", "Mapping[str, Written]"]


def reference(model: Model) -> Written:
    """A model as mergekit names it: `path@revision`, or a table where the path holds `@` or `+`."""
    scheme, _, path = model.address.partition(":")
    if scheme == "stage":
        return path
    if any(sign in path + (model.revision or "") for sign in "@+"):
        inner: dict[str, Written] = {"path": path}
        if model.revision:
            inner["revision"] = model.revision
        return {"model": inner}
    return f"{path}@{model.revision}" if model.revision else path
