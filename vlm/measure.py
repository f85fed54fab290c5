"""What data say of a parent's tensors, for the methods that ask: once for each parent and data set.

In: a candidate, opened parents, questions with references. Out: on each `Source`, for every tensor that
such a method blends, one of

* `fisher`: the diagonal of the empirical Fisher information (Matena and Raffel 2022, arXiv:2111.09832),

      F = 1/N Σ_n (∂ log p(y_n | x_n) / ∂θ)²

  over all pairs of a question x and one of its references y, in the shape of the tensor. The paper
  draws y from the model; references are what the search itself is scored by.
* `gram`: of a linear layer's matrix, G = 1/T Σ_t x_t x_tᵀ over all tokens that enter it (Jin et al. 2023,
  arXiv:2212.09849); inputs by inputs.

A parent is asked one pair at a time as the evaluator asks it, a blind one without pictures. All is in
fp32, on a CPU by one thread, so that the same comes out of one core and of eight, and kept for the next
process (`vlm/measure_cache.py`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from merge_dsl.meaning.methods import METHODS
from merge_dsl.space.candidate import Blend, Candidate
from vlm.anatomy.body import Role
from vlm.anatomy.parts import memory_roles
from vlm.answer import Prepared, open_reader, prepare, read, see
from vlm.device import CPU, forget_freed, is_full, room_on
from vlm.errors import MergeError, ModelError
from vlm.measure_cache import file_of, keep, kept
from vlm.merge import Sources, portion_of, portions_of
from vlm.methods.sums import one_thread
from vlm.resident import load_model
from vlm.tasks.questions import Question
from vlm.weights.raw import Raw, of_tensor
from vlm.weights.source import Source

Questions = Mapping[str, Sequence[Question]]
Wanted = dict[tuple[str, str, str], list[Role]]  # parent, what, data


def measure(
    candidate: Candidate,
    sources: Sources,
    questions: Questions,
    tell: Callable[[str], None] = lambda what: None,
    device: torch.device = CPU,
) -> None:
    """Measure, on `device`, what the blends of `candidate` want to know and nobody has measured yet.

    `tell` hears of each parent before it is asked. Raises MergeError for a parent that cannot be asked,
    DataError for a question that it cannot be asked, ModelError where its answer is no number.
    """
    for (name, what, data), roles in _wanted(candidate, sources).items():
        source = sources[name]
        known = source.measured.setdefault((what, data), {})
        if all(role in known for role in roles):
            continue
        if not source.answers:
            raise MergeError(
                f"{name} answers no question, so nothing of it can be measured on `{data}`",
                "blend it by `linear`, or take its part from a model that speaks",
            )
        file = file_of(source, what, questions[data], roles)
        found = kept(file, roles)
        if found is None:
            tell(f"measuring {name} on {data}")
            found = _taken_where_it_fits(source, what, questions[data], roles, device, tell)
            keep(file, found)
        known |= {role: found.get(role) for role in roles if role not in known}


def _wanted(candidate: Candidate, sources: Sources) -> Wanted:
    """The tensors of each parent that some blend wants measured."""
    portions = portions_of(candidate)
    wanted: Wanted = {}
    asking = [blend for blend in candidate.blends if METHODS[blend.method].reads]
    for name in dict.fromkeys(one.origin.model for blend in asking for one in blend.ingredients):
        source = sources[name]
        for role in sorted(source.names, key=lambda role: (role.unit, role.tail)):
            portion = portion_of(portions, role)
            line = portion.made_by if portion is not None else None
            if portion is None or not isinstance(line, Blend) or not METHODS[line.method].reads:
                continue
            for data in {
                str(one.settings["on"][portion.index])
                for one in line.ingredients
                if one.origin.model == name
            }:
                wanted.setdefault((name, METHODS[line.method].reads, data), []).append(role)
    return wanted


def _taken_where_it_fits(
    source: Source,
    what: str,
    questions: Sequence[Question],
    roles: Sequence[Role],
    device: torch.device,
    tell: Callable[[str], None],
) -> dict[Role, Raw]:
    """On the device; where that has no room for sums and gradients in fp32, on the CPU."""
    try:
        with one_thread():
            return _taken(source, what, questions, roles, device)
    except RuntimeError as error:
        if device == CPU or not is_full(error):
            raise
    forget_freed(device)
    tell(f"{device} has no room for that: measuring {source.name} on the CPU")
    with room_on(CPU), one_thread():
        return _taken(source, what, questions, roles, CPU)


def _taken(
    source: Source,
    what: str,
    questions: Sequence[Question],
    roles: Sequence[Role],
    device: torch.device,
) -> dict[Role, Raw]:
    """Measure one parent on one data set; what a role has nothing of is left out."""
    model = load_model(source.folder, source.anatomy.sees, trusted=source.trusted, device=device)
    prepared = prepare(
        model, open_reader(source.folder, source.anatomy.sees, source.trusted), questions, batch=1
    )
    named = memory_roles(model)
    asked = set(roles)
    take = _fishers if what == "fisher" else _grams
    found = take(model, prepared, {n: role for n, role in named.items() if role in asked})
    for role, tensor in found.items():
        if not tensor.isfinite().all():
            raise ModelError(
                f"what {source.name} says of its {role.unit} {role.tail} is no number",
                "take other data, or another model",
            )
    return {role: of_tensor(tensor.cpu()) for role, tensor in found.items()}


def _fishers(model: Any, prepared: Prepared, named: Mapping[str, Role]) -> dict[Role, Tensor]:
    """Squared gradients of the log-likelihood of each reference, their mean."""
    parameters = {n: p for n, p in model.named_parameters() if n in named}
    sums = {name: torch.zeros_like(parameter) for name, parameter in parameters.items()}
    for parameter in parameters.values():
        parameter.requires_grad_(True)
    seen_anew = any(_before_language(role) for role in named.values())
    count = 0
    with torch.enable_grad():
        for logs, _ in _pairs(model, prepared, seen_anew):
            slopes = torch.autograd.grad(
                logs.sum(), list(parameters.values()), allow_unused=True, materialize_grads=True
            )
            for total, slope in zip(sums.values(), slopes, strict=True):
                total.addcmul_(slope, slope)
            count += 1
    return {named[name]: total.div_(count) for name, total in sums.items()}


def _grams(model: Any, prepared: Prepared, named: Mapping[str, Role]) -> dict[Role, Tensor]:
    """Inner products of what enters each linear layer, their mean over tokens."""
    sums: dict[Role, Tensor] = {}
    counts: dict[Role, int] = {}

    def hear(role: Role) -> Any:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            rows = inputs[0].reshape(-1, inputs[0].shape[-1]).float()
            own = sums.setdefault(role, rows.new_zeros(rows.shape[1], rows.shape[1]))
            own.addmm_(rows.T, rows)
            counts[role] = counts.get(role, 0) + len(rows)

        return hook

    layers = {f"{n}.weight": m for n, m in model.named_modules() if isinstance(m, nn.Linear)}
    heard = [
        module.register_forward_pre_hook(hear(named[name]))
        for name, module in layers.items()
        if name in named
    ]
    seen_anew = any(_before_language(role) for role in named.values())
    try:
        with torch.no_grad():
            for _ in _pairs(model, prepared, seen_anew):
                pass
    finally:
        for hook in heard:
            hook.remove()
    return {role: total.div_(counts[role]) for role, total in sums.items()}


def _before_language(role: Role) -> bool:
    """Whether a tensor is one of those that pictures go through: their features cannot be reused."""
    return not role.unit.startswith("language.")


def _pairs(model: Any, prepared: Prepared, seen_anew: bool) -> Iterator[tuple[Tensor, Tensor]]:
    """One question and one reference at a time: log-probabilities of its tokens, and which they are."""
    pictures = {question.picture: question for question in prepared.questions}
    for batch in prepared.reading:
        now = prepared
        if prepared.features:
            shown = [pictures[picture] for picture in dict.fromkeys(batch.pictures)]
            if seen_anew:
                features = see(model, prepared.reader, shown)
            else:  # of inference; a copy may have gradients
                features = {q.picture: prepared.features[q.picture].clone() for q in shown}
            now = replace(prepared, features=features)
        yield read(model, now, batch)
