"""One model in memory that turns into candidate after candidate, written in place.

In: a candidate. Out: the same module, now with that candidate's weights. Parts that are kept are
written once; only blended tensors are rewritten for the next candidate.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from merge_dsl.space.candidate import Blend, Candidate, Keep
from vlm.anatomy.parts import Role, memory_roles
from vlm.errors import MergeError, ModelError
from vlm.fit import fit
from vlm.merge import Sources, check_whole, host_of, portion_of, portion_tensor, portions_of
from vlm.weights.pixels import check_processor

from transformers import (  # isort: skip
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    GenerationConfig,
)


def load_model(
    folder: Path, sees: bool, dtype: torch.dtype = torch.float32, *, trusted: bool = False
) -> Any:
    """A checkpoint as a module in evaluation mode. Raises ModelError when a weight is missing.

    What its generation_config.json says is left behind: penalties, beams and least lengths change
    greedy answers, and a parent would be scored by other rules than its child.
    """
    factory = AutoModelForImageTextToText if sees else AutoModelForCausalLM
    model, info = factory.from_pretrained(
        folder,
        dtype=dtype,
        local_files_only=True,
        output_loading_info=True,
        trust_remote_code=trusted,
    )
    lacking = sorted(info["missing_keys"]) + [entry[0] for entry in info["mismatched_keys"]]
    if lacking:
        raise ModelError(
            f"{folder} lacks {lacking[0]}" + (f" and {len(lacking) - 1} more" * (len(lacking) > 1)),
            "transformers would fill it with noise: fetch the model anew",
        )
    model.generation_config = GenerationConfig()
    return model.eval().requires_grad_(False)


class Resident:
    """The host model of a merge, fp32, and where each of its tensors plays which role.

    It is opened with a candidate for its kept parts only: blended ones are the host's own until the
    first `put`, so that a start without a blend is one failed trial and not the end of a run.
    """

    def __init__(self, candidate: Candidate, sources: Sources) -> None:
        self.host = host_of(candidate, sources)
        if not self.host.answers:
            raise MergeError(
                f"the result is a tower like {self.host.name}, and a tower answers no question",
                "build it with `awase merge`, or search it inside a vision-language model",
            )
        self.sources = fit(candidate, self.host, sources)
        check_whole(candidate, self.host, self.sources)
        check_processor(self.host.folder, self.host.config)
        self.model: nn.Module = load_model(
            self.host.folder, self.host.anatomy.sees, trusted=self.host.trusted
        )
        state = self.model.state_dict()
        roles = memory_roles(self.model)
        self.slots: dict[Role, Tensor] = {
            role: state[name] for name, role in roles.items() if role in self.host.anatomy.shapes
        }
        self._put(candidate, Keep)

    def put(self, candidate: Candidate) -> nn.Module:
        """Turn the model into `candidate`, which must be of the same recipe as the first."""
        self._put(candidate, Blend)
        return self.model

    @torch.inference_mode()
    def _put(self, candidate: Candidate, made_by: type[Keep] | type[Blend]) -> None:
        portions = portions_of(candidate)
        for role, slot in self.slots.items():
            portion = portion_of(portions, role)
            if portion is not None and isinstance(portion.made_by, made_by):
                slot.copy_(portion_tensor(portion, role, self.host, self.sources, keep=True))
