"""One model in memory that turns into candidate after candidate, written in place.

In: a candidate. Out: the same module, now with that candidate's weights. Parts that are kept are
written once, blended ones where their genes have changed since the last candidate. What an equation
found out about the parents (where the k-th largest difference lies) is kept for the next one; the
differences themselves are not: from bf16 parents in the cache they are quicker computed than fetched.
"""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from merge_dsl.space.candidate import Blend, Candidate, Keep
from vlm.anatomy.body import Role
from vlm.anatomy.parts import memory_roles, read_config
from vlm.blend import blended
from vlm.device import CPU, parents_for, write
from vlm.errors import MergeError, ModelError
from vlm.fit import fit
from vlm.merge import TOKENS, Portion, Sources, check_whole, host_of, portion_of, portions_of
from vlm.methods.arrays import steady_memory
from vlm.parents import Parents
from vlm.route.code import is_ours
from vlm.vocabulary import with_words
from vlm.weights.beside import check_beside
from vlm.weights.pixels import check_processor
from vlm.weights.raw import as_tensor
from vlm.weights.source import Source

from transformers import (  # isort: skip
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    GenerationConfig,
)


def load_model(
    folder: Path,
    sees: bool,
    dtype: torch.dtype = torch.float32,
    *,
    trusted: bool = False,
    config: Any = None,
    device: torch.device = CPU,
) -> Any:
    """A checkpoint as a module in evaluation mode. Raises ModelError when a weight is missing, and for a
    config that transformers cannot read.

    `config` takes the place of the folder's own; tables of tokens that it wants larger are noise then.

    What its generation_config.json says is left behind: penalties, beams and least lengths change
    greedy answers, and a parent would be scored by other rules than its child.
    """
    factory = AutoModelForImageTextToText if sees else AutoModelForCausalLM
    trusted = trusted or is_ours(folder)
    if config is None:
        read_config(str(folder), trusted)  # which has words for what is wrong with it
    model, info = factory.from_pretrained(
        folder,
        dtype=dtype,
        local_files_only=True,
        output_loading_info=True,
        trust_remote_code=trusted,
        **({} if config is None else {"config": config, "ignore_mismatched_sizes": True}),
    )
    unlike = [entry[0] for entry in info["mismatched_keys"]]
    if config is not None:
        roles = memory_roles(model)
        unlike = [name for name in unlike if roles.get(name) not in TOKENS]
    lacking = sorted(info["missing_keys"]) + unlike
    if lacking:
        raise ModelError(
            f"{folder} lacks {lacking[0]}" + (f" and {len(lacking) - 1} more" * (len(lacking) > 1)),
            "transformers would fill it with noise: fetch the model anew",
        )
    model.generation_config = GenerationConfig()
    return model.to(device).eval().requires_grad_(False)


class Resident:
    """The host model of a merge, and where each of its tensors plays which role.

    It is opened with a candidate for its kept parts only: blended ones are the host's own until the
    first `put`, so that a start without a blend is one failed trial and not the end of a run.
    """

    def __init__(
        self,
        candidate: Candidate,
        sources: Sources,
        device: torch.device = CPU,
        dtype: torch.dtype = torch.float32,
        parents: Parents | None = None,
    ) -> None:
        """The model lies on `device`, in `dtype`; `parents` says where theirs do, if not where is best.

        Raises MergeError or ModelError for what no other candidate could mend.
        """
        self.host = host_of(candidate, sources)
        if not self.host.answers:
            raise MergeError(
                f"the result is a tower like {self.host.name}, and a tower answers no question",
                "build it with `awase merge`, or search it inside a vision-language model",
            )
        self.sources = fit(candidate, self.host, sources)
        self.host = with_words(candidate, self.host, self.sources)
        check_whole(candidate, self.host, self.sources)
        check_beside(self.host.folder)
        check_processor(self.host.folder, lambda: self.host.config)
        self.model: nn.Module = _load(self.host, device, dtype)
        self.parents = parents_for(device) if parents is None else parents
        state = self.model.state_dict()
        roles = memory_roles(self.model)
        self.slots: dict[Role, Tensor] = {
            role: state[name] for name, role in roles.items() if role in self.host.anatomy.shapes
        }
        self._made: dict[Role, Any] = {}  # what the numbers of a slot were last made of
        self._memos: dict[Any, dict[Any, Any]] = {}
        steady_memory()
        self._put(candidate, Keep)

    def put(self, candidate: Candidate) -> nn.Module:
        """Turn the model into `candidate`, which must be of the same recipe as the first."""
        self._put(candidate, Blend)
        return self.model

    @torch.inference_mode()
    def _put(self, candidate: Candidate, made_by: type[Keep] | type[Blend]) -> None:
        portions = portions_of(candidate)
        with np.errstate(all="ignore"):  # overflows are a bad candidate's, and scored as such
            for role, slot in self.slots.items():
                portion = portion_of(portions, role)
                if portion is not None and isinstance(portion.made_by, made_by):
                    self._write(role, slot, portion)

    def _write(self, role: Role, slot: Tensor, portion: Portion) -> None:
        made_of = _made_of(portion)
        if self._made.get(role) == made_of:
            return
        self._made.pop(role, None)  # half written, it is nobody's
        line = portion.made_by
        if isinstance(line, Keep):
            raw = self.sources[line.origin.model].raw(role)
            slot.view(-1).copy_(as_tensor(raw).view(-1))
        else:
            origins = (line.base, *(ingredient.origin for ingredient in line.ingredients))
            memo = self._memos.setdefault((role, origins), {})
            write(slot, blended(portion, role, self.host, self.sources, self.parents, memo))
        self._made[role] = made_of


def _load(host: Source, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """The host's module; with another tokenizer, its tables of tokens are filled by the first `put`."""
    how: dict[str, Any] = {"trusted": host.trusted, "device": device, "dtype": dtype}
    if host.taken is None:
        return load_model(host.folder, host.anatomy.sees, **how)  # type: ignore[no-any-return]
    config = copy.deepcopy(host.config)
    return load_model(host.taken.home, host.anatomy.sees, **how, config=config)  # type: ignore[no-any-return]


def _made_of(portion: Portion) -> tuple[Any, ...]:
    """Equal for two portions exactly when they make the same numbers of one tensor."""
    line, at = portion.made_by, portion.index
    if isinstance(line, Keep):
        return (line.origin,)
    settings = [line.settings, *(ingredient.settings for ingredient in line.ingredients)]
    here = tuple(tuple((name, values[at]) for name, values in one.items()) for one in settings)
    origins = tuple(ingredient.origin for ingredient in line.ingredients)
    return (line.method, line.base, origins, line.seed, here)
