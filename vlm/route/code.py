"""The code that a walk brings along, and whether a folder's code is that.

In: the folder of a checkpoint, or the classes of a walk's host. Out: the text of its modeling file:
`vlm/route/walking.py` as it stands, and the host's class with the walk mixed in.
"""

import json
import re
from pathlib import Path

from vlm.errors import ModelError

KIND = "awase_walk"  # in the place of the host's `model_type`, so that nobody takes it for the host
CODE = "modeling_walk.py"
CLASS = re.compile(r"[A-Z][A-Za-z0-9_]*\Z")
SEES, SPEAKS = "AutoModelForImageTextToText", "AutoModelForCausalLM"


def code_of(config_class: str, model_class: str) -> str:
    """The code of a walk whose host is of these classes of transformers."""
    ours = Path(__file__).with_name("walking.py").read_text(encoding="utf-8")
    return f"""{ours}

from transformers import {config_class}, {model_class}  # noqa: E402


class WalkConfig({config_class}):
    model_type = "{KIND}"
    walk: dict | None = None


class {class_of(model_class)}(Walking, {model_class}):
    config_class = WalkConfig
"""


def class_of(model_class: str) -> str:
    """Losses are chosen by the end of a name."""
    return "WalkForConditionalGeneration" if "Conditional" in model_class else "WalkForCausalLM"


def is_walk(folder: Path) -> bool:
    """Whether a folder says that it holds a walk with code of its own."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(config, dict) and config.get("model_type") == KIND


def is_ours(folder: Path) -> bool:
    """Whether the code that a folder asks for is what awase wrote there, to the byte.

    Then it is run without the recipe's leave: it is the code that runs here anyway.
    """
    if not is_walk(folder):
        return False
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    try:
        import transformers

        names = [config["walk"]["of"][what] for what in ("config", "model")]
        known = all(CLASS.match(name) and hasattr(transformers, name) for name in names)
        sees = "vision_config" in config
        return (
            known
            and config["auto_map"] == auto_map(names[1], sees)
            and (folder / CODE).read_text(encoding="utf-8") == code_of(*names)
        )
    except (KeyError, TypeError, OSError, UnicodeDecodeError):
        return False


def auto_map(model_class: str, sees: bool) -> dict[str, str]:
    """Which class each of transformers' factories makes."""
    stem = CODE.removesuffix(".py")
    found = {"AutoConfig": f"{stem}.WalkConfig"}
    return {**found, (SEES if sees else SPEAKS): f"{stem}.{class_of(model_class)}"}


def refuse_as_parent(folder: Path) -> None:
    """Raises ModelError for a walk with code of its own: its layers are those of several models."""
    if is_walk(folder):
        raise ModelError(
            f"{folder} holds a walk with code of its own, which is no parent",
            "take the models that it walks through; its recipe is beside it",
        )
