"""Random Llama checkpoints of any size, made on the spot: a base, and models a little away from it."""

import json
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vlm.weights.raw import rounded
from vlm.weights.stream import Planned, write_file

PIECE = 1 << 20


class Size(NamedTuple):
    """What a Llama is as large as."""

    hidden: int
    inner: int
    layers: int
    words: int

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Tensor name -> shape."""
        hidden, inner, _, words = self
        shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (words, hidden)}
        for i in range(self.layers):
            layer = f"model.layers.{i}"
            shapes |= {f"{layer}.self_attn.{n}_proj.weight": (hidden, hidden) for n in "qkvo"}
            shapes |= {f"{layer}.mlp.{n}_proj.weight": (inner, hidden) for n in ("gate", "up")}
            shapes[f"{layer}.mlp.down_proj.weight"] = (hidden, inner)
            shapes[f"{layer}.input_layernorm.weight"] = (hidden,)
            shapes[f"{layer}.post_attention_layernorm.weight"] = (hidden,)
        return shapes | {"model.norm.weight": (hidden,), "lm_head.weight": (words, hidden)}

    @property
    def count(self) -> int:
        """How many parameters it has."""
        return sum(prod(shape) for shape in self.shapes().values())


OF_THE_NOTE = Size(1024, 3584, 12, 32000)  # 248.0 M
OF_A_SEARCH = Size(768, 2048, 12, 12000)  # 103.4 M


def save_random(root: Path, size: Size, names: tuple[str, ...] = ("base", "a", "b")) -> None:
    """Folders of bf16 models: normal numbers of deviation 0.02, the others 0.001 away from the first."""
    shapes = size.shapes()
    for number, name in enumerate(names):
        base, own = (np.random.default_rng(seed) for seed in (0, number))

        def numbers(tensor: str, base=base, own=own, number=number):  # type: ignore[no-untyped-def]
            left = prod(shapes[tensor])
            while left > 0:
                count = min(left, PIECE)
                values = base.standard_normal(count, dtype=np.float32) * np.float32(0.02)
                if number:
                    values += own.standard_normal(count, dtype=np.float32) * np.float32(0.001)
                yield rounded(values, "BF16")
                left -= count

        folder = _folder(root / name, size)
        planned = {tensor: Planned("BF16", shape) for tensor, shape in shapes.items()}
        write_file(folder / "model.safetensors", planned, numbers, lambda count: None)


def save_sparse(root: Path, size: Size, names: tuple[str, ...]) -> None:
    """The same layout, of zeros that take no room on the disk."""
    shapes = size.shapes()
    for name in names:
        folder = _folder(root / name, size)
        planned = {tensor: Planned("BF16", shape) for tensor, shape in shapes.items()}
        table: dict[str, object] = {}
        start = 0
        for tensor, plan in planned.items():
            offsets = [start, start + plan.bytes]
            table[tensor] = {"dtype": "BF16", "shape": plan.shape, "data_offsets": offsets}
            start += plan.bytes
        header = json.dumps(table).encode()
        with (folder / "model.safetensors").open("wb") as stream:
            stream.write(len(header).to_bytes(8, "little") + header)
            stream.truncate(8 + len(header) + start)


def _folder(folder: Path, size: Size) -> Path:
    folder.mkdir(parents=True)
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": size.hidden,
        "intermediate_size": size.inner,
        "num_hidden_layers": size.layers,
        "num_attention_heads": size.hidden // 64,
        "num_key_value_heads": size.hidden // 64,
        "vocab_size": size.words,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder
