"""A parent as merging sees it: tensors by role, whatever its files call them."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlm.anatomy.body import REST, Anatomy, Role
from vlm.anatomy.known import anatomy_of
from vlm.errors import MergeError, ModelError
from vlm.weights.checkpoint import open_checkpoint
from vlm.weights.gguf import as_folder
from vlm.weights.lora import Adapter, is_adapter, open_adapter
from vlm.weights.made import Made, itself
from vlm.weights.pickled import as_safetensors
from vlm.weights.pixels import OPEN_CLIP, Pixels, pixels_of
from vlm.weights.raw import Raw

if TYPE_CHECKING:
    from torch import Tensor

    from vlm.weights.moved import Taken
    from vlm.weights.open_clip import Spelling
    from vlm.weights.views import Weights


@dataclass(frozen=True)
class Source:
    """One opened parent."""

    name: str  # as the recipe calls it
    read_config: Callable[[], Any]  # which loads transformers, so it is asked for late
    checkpoint: "Weights"
    anatomy: Anatomy
    names: dict[Role, str]
    pixels: Pixels | None = None  # how its tower wants pictures
    spelling: "Spelling | None" = (
        None  # of an open_clip model, which is written under its own names
    )
    difference: bool = False  # what is added to a model, not a model
    partial: bool = False  # a difference that is zero in every tensor that it does not hold
    trusted: bool = False  # the recipe allows code in its folder to be run
    taken: "Taken | None" = None  # the tokenizer of another, of a host that takes it
    # What data say of its tensors, by what is measured and on which data: see `vlm/measure.py`.
    measured: dict[tuple[str, str], dict[Role, Raw | None]] = field(
        default_factory=dict, repr=False
    )

    @cached_property
    def config(self) -> Any:
        """Its config, as transformers reads it."""
        return self.read_config()

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self.checkpoint.folder

    @property
    def answers(self) -> bool:
        """Whether it can be asked anything: no adapter and no tower alone can."""
        return self.anatomy.speaks and not self.difference

    @property
    def vision(self) -> Any:
        """The config of its tower; None without one."""
        inner = getattr(self.config, "vision_config", None)
        return inner if inner is not None or self.anatomy.speaks else self.config

    def name_of(self, role: Role) -> str:
        """What its files call the tensor that plays `role`.

        Raises MergeError when this parent has no such tensor: a blend must never skip one.
        """
        if role not in self.names:
            raise MergeError(
                f"{self.name} has no tensor for {role.unit} {role.tail}",
                f"take {role.unit.split('.')[0]} from a model that has it, or blend models of one shape",
            )
        return self.names[role]

    def tensor(self, role: Role) -> "Tensor":
        """The tensor that plays `role`, in the file's dtype. Raises MergeError as `name_of` does."""
        return self.checkpoint.tensor(self.name_of(role))

    def raw(self, role: Role) -> Raw:
        """The same as numbers, as they lie in the file. Raises MergeError as `name_of` does."""
        return self.checkpoint.raw(self.name_of(role))

    def written(self) -> dict[str, Made]:
        """Name in a checkpoint of this kind -> the names here that it is made of, in file order."""
        roles = self.anatomy.roles
        if self.spelling is not None:
            alone = {name: Made((name,), itself) for name in self.spelling.rest}
            return {**self.spelling.back, **alone}
        return {n: Made((n,), itself) for n, role in roles.items() if role in self.anatomy.shapes}


NONE: Mapping[str, tuple[str, Mapping[str, Any]]] = {}


def open_sources(
    models: Mapping[str, Path],
    differences: Collection[str] = (),
    trusted: Collection[str] = (),
    architectures: Mapping[str, tuple[str, Mapping[str, Any]]] = NONE,
    pickled: Collection[str] = (),
) -> dict[str, Source]:
    """Open the parents of a merge, and see in them what the recipe says they are.

    `architectures` are those of bare checkpoints: what open_clip calls one, and its configuration. Pickles
    are read of those in `pickled` alone. Adapters come last: which tensor an adapter changes is known from
    the models beside it.
    """
    found: dict[str, Source] = {}
    opened = set(pickled) - architectures.keys()
    models = {n: as_safetensors(f) if n in opened else f for n, f in models.items()}
    for name in models.keys() & architectures.keys():
        from vlm.weights.open_clip_bare import Architecture, bare_folder

        models[name] = bare_folder(models[name], Architecture(*architectures[name]))
    for name, folder in models.items():
        if not is_adapter(folder):
            found[name] = open_source(
                name, folder, difference=name in differences, trusted=name in trusted
            )
    whole = [source for source in found.values() if not source.difference]
    for name, folder in models.items():
        if is_adapter(folder):
            found[name] = _of_adapter(name, open_adapter(folder), whole)
    return {name: found[name] for name in models}


def open_source(
    name: str, folder: Path, *, difference: bool = False, trusted: bool = False
) -> Source:
    """Open the parent that the recipe calls `name`. Raises ModelError for whatever is wrong with it."""
    folder = as_folder(folder)
    if (folder / OPEN_CLIP).is_file():
        from vlm.weights.open_clip_folder import is_open_clip

        if is_open_clip(folder):
            return _of_open_clip(name, folder)
    checkpoint = open_checkpoint(folder)
    shapes = {name: entry.shape for name, entry in checkpoint.entries.items()}
    body = anatomy_of(folder, shapes, trusted)
    names = {role: spelt for spelt, role in body.roles.items()}

    def config() -> Any:
        from vlm.anatomy.parts import read_config

        return read_config(str(folder), trusted)

    pixels = pixels_of(folder) if body.sees else None
    return Source(
        name, config, checkpoint, body, names, pixels, difference=difference, trusted=trusted
    )


def _of_open_clip(name: str, folder: Path) -> Source:
    from vlm.anatomy.parts import anatomy
    from vlm.weights.open_clip_folder import anatomy_names, open_folder

    config, tensors, spelt = open_folder(folder)
    outer = anatomy_names(spelt)
    body = anatomy(config, outer.values())
    roles = {n: body.roles[outer[n]] if n in outer else Role(REST, n) for n in tensors.entries}
    shapes = {**body.shapes} | {roles[n]: tensors.entries[n].shape for n in spelt.rest}
    whole = Anatomy(roles, shapes, sees=True, speaks=False)
    names = {role: spelt_as for spelt_as, role in roles.items()}
    return Source(name, lambda: config, tensors, whole, names, pixels_of(folder), spelt)


def _of_adapter(name: str, adapter: Adapter, beside: list[Source]) -> Source:
    """An adapter names the modules that it changes as its own model does: look for that model."""
    from vlm.anatomy.parts import anatomy

    problem: ModelError | None = None
    for source in beside:
        try:
            body = anatomy(source.config, adapter.entries, source.trusted)
        except ModelError as error:
            problem = problem or error
            continue
        names = {role: spelt for spelt, role in body.roles.items()}
        return Source(name, source.read_config, adapter, body, names, difference=True, partial=True)
    what = f": {problem.what}" if problem else ""
    raise ModelError(
        f"{adapter.folder} is an adapter of none of the models beside it{what}",
        "take it where `base` is the model that it was trained on",
    )
