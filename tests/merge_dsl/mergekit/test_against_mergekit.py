"""mergekit's own reading of a file, before and after it went through a recipe. Skipped without mergekit."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.merge_dsl.mergekit.conftest import FILES, Command

config = pytest.importorskip("mergekit.config", exc_type=ImportError)
methods = pytest.importorskip("mergekit.merge_methods", exc_type=ImportError)
resolver = pytest.importorskip("mergekit.parameter_resolver", exc_type=ImportError)

LAYERS = 40
OTHERWISE = ("evolve_", "lossy_", "slices_stacked")  # a search, losses, and stages of their own
SAME = [file for file in FILES if not file.stem.startswith(OTHERWISE)]


@pytest.mark.parametrize("file", SAME, ids=lambda file: file.stem)
def test_every_tensor_gets_the_same_parameters(file: Path, awase: Command) -> None:
    awase("import", file, "-o", file.with_suffix(".merge").name)
    _, exported, _ = awase("export", file.with_suffix(".merge").name)
    before, after = (_by_name(text) for text in (file.read_text(), exported))
    assert before.keys() == after.keys()
    for name in before:
        assert dict(_resolved(before[name])) == dict(_resolved(after[name]))


def _by_name(text: str) -> dict[str, dict[str, Any]]:
    return {document.pop("name", ""): document for document in yaml.safe_load_all(text)}


def _resolved(document: dict[str, Any]) -> Iterator[tuple[tuple[str, str, int], object]]:
    """What mergekit resolves for each tensor of a small set: base, models, parameters."""
    read = config.MergeConfiguration.model_validate(document)
    for part, module in _modules(read).items():
        slices = module.slices or [_whole(module.models, read)]
        yield (
            (part, "embed_tokens", -1),
            _at(read, module, slices[0], "model.embed_tokens.weight", 0),
        )
        at = 0
        for piece in slices:
            low, high = piece.sources[0].layer_range
            for layer in range(high - low):
                t = layer / (high - low - 1) if high - low > 1 else 1
                for tail in ("self_attn.q_proj", "mlp.up_proj", "input_layernorm"):
                    name = f"model.layers.{at}.{tail}.weight"
                    yield (part, name, at), _at(read, module, piece, name, t)
                at += 1
        for name in ("model.norm.weight", "lm_head.weight"):
            yield (part, name, -1), _at(read, module, slices[-1], name, 0)


def _modules(read: Any) -> dict[str, Any]:
    if read.modules:
        return dict(read.modules)
    return {"": config.OutputModuleDefinition(slices=read.slices, models=read.models)}


def _whole(models: list[Any], read: Any) -> Any:
    def source(model: Any, parameters: Any = None) -> Any:
        return config.InputSliceDefinition(
            model=model, layer_range=[0, LAYERS], parameters=parameters
        )

    sources = [source(inner.model, inner.parameters) for inner in models]
    if read.base_model and all(inner.model != read.base_model for inner in models):
        sources.append(source(read.base_model))
    return config.OutputSliceDefinition(sources=sources)


def _at(read: Any, module: Any, piece: Any, name: str, t: float) -> object:
    reader = config.ConfigReader(config=read, t=t, slice_out=piece, module=module)
    shared, own = resolver.resolve_parameters(
        methods.get(read.merge_method).spec,
        tensor_name=name,
        inputs={source.model: name for source in piece.sources},
        sources=reader.parameter_sources,
        base_model=reader.base_model,
        t=t,
    )
    shared.pop("int8_mask", None)  # it does not change the result
    return str(reader.base_model), _rounded(shared), {str(m): _rounded(own[m]) for m in own}


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {k: None if value is None else round(float(value), 9) for k, value in values.items()}
