"""GGUF sources: dequantised once through transformers, kept as an ordinary checkpoint, read as one.

In: a .gguf file. Out: the folder of its checkpoint, in fp32, with its tokenizer. The folder lies in the
cache of this user under the file's name, size and beginning, so that a changed file is read anew.
"""

import hashlib
import importlib.util
import os
import shutil
from pathlib import Path

from vlm.errors import MissingExtra, ModelError

SUFFIX = ".gguf"
BEGINNING = 1 << 20  # bytes that tell two files of one name and size apart


def as_folder(path: Path) -> Path:
    """`path` itself, unless it is a GGUF file: then the folder of the same model as safetensors.

    Raises MissingExtra without the package `gguf`, ModelError for a file that cannot be read.
    """
    if path.suffix != SUFFIX or not path.is_file():
        return path
    folder = cache() / f"{path.stem}-{_mark(path)}"
    if folder.is_dir():
        return folder
    if importlib.util.find_spec("gguf") is None:
        raise MissingExtra(
            f"{path} is quantised, and the package `gguf` that reads it is not installed",
            "install it: pip install 'awase[gguf]'",
        )
    part = folder.with_name(f".{folder.name}.part-{os.getpid()}")
    part.mkdir(parents=True)
    try:
        _convert(path, part)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
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
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    where = {"gguf_file": path.name, "local_files_only": True}
    try:
        tokenizer = AutoTokenizer.from_pretrained(path.parent, **where)
        model = AutoModelForCausalLM.from_pretrained(path.parent, dtype=torch.float32, **where)
    except Exception as error:  # its reader raises whatever a damaged file makes it raise
        raise ModelError(
            f"{path} cannot be dequantised: {error}", "fetch the file anew, or convert it by hand"
        ) from error
    model.save_pretrained(part)
    tokenizer.save_pretrained(part)
