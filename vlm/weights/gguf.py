"""GGUF sources: dequantised once through transformers, kept as an ordinary checkpoint, read as one.

In: a .gguf file. Out: the folder of its checkpoint, in fp32, with its tokenizer. The folder lies in the
cache of this user under the file's name, size and beginning, so that a changed file is read anew.
"""

import hashlib
import importlib.util
import os
from pathlib import Path
from typing import Any

from vlm.errors import MissingExtra, ModelError
from vlm.weights.half import half_written, sweep

SUFFIX = ".gguf"
PACKAGES = ("gguf", "accelerate")  # transformers asks for both
BEGINNING = 1 << 20  # bytes that tell two files of one name and size apart


def as_folder(path: Path) -> Path:
    """`path` itself, unless it is a GGUF file: then the folder of the same model as safetensors.

    Raises MissingExtra without the packages that read one, ModelError for a file that cannot be read.
    """
    if path.suffix != SUFFIX or not path.is_file():
        return path
    folder = cache() / f"{path.stem}-{_mark(path)}"
    if folder.is_dir():
        return folder
    for package in PACKAGES:
        if importlib.util.find_spec(package) is None:
            raise MissingExtra(
                f"{path} is quantised, and the package `{package}` that reads it is not installed",
                "install it: pip install 'awase[gguf]'",
            )
    folder.parent.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    with half_written(folder) as part:
        _convert(path, part)
        part.rename(folder)
    return folder


def cache() -> Path:
    """Where dequantised models are kept."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "awase" / "gguf"


def _mark(path: Path) -> str:
    digest = hashlib.blake2b(str(path.stat().st_size).encode(), digest_size=6)
    with path.open("rb") as stream:
        digest.update(stream.read(BEGINNING))
    return digest.hexdigest()


def _convert(path: Path, part: Path) -> None:
    from vlm.compat import ensure_torchvision

    ensure_torchvision()

    import torch
    import transformers

    where: dict[str, Any] = {"gguf_file": path.name, "local_files_only": True}
    how: dict[str, Any] = {"dtype": torch.float32}
    if hasattr(transformers, "GgufConfig"):  # else weights stay in blocks where a kernel reads them
        how["quantization_config"] = transformers.GgufConfig(dequantize=True)
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(path.parent, **where)
        model = transformers.AutoModelForCausalLM.from_pretrained(path.parent, **where, **how)
    except Exception as error:  # its reader raises whatever a damaged file makes it raise
        raise ModelError(
            f"{path} cannot be dequantised: {error}", "fetch the file anew, or convert it by hand"
        ) from error
    _forget(model)
    model.save_pretrained(part)
    tokenizer.save_pretrained(part)


def _forget(model: Any) -> None:
    """Its weights are plain numbers now, and still it says that they are quantised, and is not saved."""
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
