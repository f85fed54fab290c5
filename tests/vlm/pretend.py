"""A device that is none: tensors that say they lie on it, and hold numbers of the CPU all the same.

No machine that runs these tests has a GPU. Here what would fail on one fails too: a computation between
tensors of two devices, numpy on what is not in memory, a mask or a position that was left behind.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

NAME = "pretend"
MOVES = ("aten._to_copy", "aten.to.", "aten.copy_")  # what may see two devices

_setup_privateuseone_for_python_backend(NAME)  # type: ignore[no-untyped-call]


class There(Tensor):
    """A tensor on the device."""

    here: Tensor

    @staticmethod
    def __new__(cls, here: Tensor) -> "There":
        made: There = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            here.size(),
            strides=here.stride(),
            storage_offset=here.storage_offset(),
            dtype=here.dtype,
            device=torch.device(NAME, 0),
        )
        made.here = here
        return made

    def __repr__(self, **how: Any) -> str:
        return f"{self.here} on {NAME}"

    def tolist(self) -> Any:
        return self.here.tolist()

    def __format__(self, spec: str) -> str:
        return repr(self)

    @classmethod
    def __torch_dispatch__(
        cls, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return _computed(function, args, kwargs or {})


class _Made(TorchFunctionMode):
    """`torch.tensor` fills a tensor where no mode sees it: here it is made near and moved."""

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if function is torch.tensor:
            device = kwargs.pop("device", None)
            made = torch.tensor(*args, **kwargs)
            return made if device is None else made.to(device)
        return function(*args, **kwargs)


class Pretend(TorchDispatchMode):
    """While it is on, the device is there."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: set[str] = set()  # what was computed on it
        self._made = _Made()

    def __enter__(self) -> "Pretend":
        self._made.__enter__()
        return super().__enter__()

    def __exit__(self, *why: Any) -> None:
        super().__exit__(*why)
        self._made.__exit__(*why)

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if any(isinstance(one, There) for one in tree_iter((args, kwargs))):
            self.seen.add(str(function))
        return _computed(function, args, kwargs or {})


def _computed(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    given = list(tree_iter((args, kwargs)))
    tensors = [one for one in given if isinstance(one, Tensor)]
    there = [one for one in tensors if isinstance(one, There)]
    name = str(function)
    if there and not name.startswith(MOVES):
        for one in tensors:
            if not isinstance(one, There) and one.dim():  # a lone number may lie anywhere
                raise RuntimeError(f"{name} of tensors on {NAME} and on the CPU")
    wanted = next((one for one in given if isinstance(one, torch.device)), None)
    if name.startswith("aten.copy_"):
        stays = isinstance(args[0], There)
    else:
        stays = bool(there) if wanted is None else wanted.type == NAME
    out = function(*tree_map(_here, args), **tree_map(_here, kwargs))
    if not stays:
        return out.clone() if wanted is not None and there else out
    known = {id(one.here): one for one in there}
    return tree_map(lambda one: _there(one, known, tensors), out)


def _here(one: Any) -> Any:
    if isinstance(one, torch.device) and one.type == NAME:
        return torch.device("cpu")
    return one.here if isinstance(one, There) else one


def _there(one: Any, known: Mapping[int, There], given: Sequence[Tensor]) -> Any:
    """On the device; what was changed in place is the tensor that it was."""
    if not isinstance(one, Tensor):
        return one
    if id(one) in known:
        return known[id(one)]
    if any(one is tensor for tensor in given):
        one = one.clone()  # moved there, it shares no memory with what stays here
    with torch.inference_mode(False):  # an inference tensor of this kind has no views
        return There(one)
