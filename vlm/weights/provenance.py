"""What a written model says of itself: its recipe, where every tensor comes from, and a model card.

`merge_recipe.merge` is the recipe; `merge_origins.json` has the parents with fingerprints of their files
(those that `awase lock` takes: of large weights the header and the size), one of the numbers that were
read of them, whatever file they lay in and in which order, the origin of every tensor, and the files of
the folder itself (`vlm/weights/own_files.py`); `README.md` is for people and for the hub. The same recipe and
parents write the same three files in the same place; elsewhere the recipe has other addresses.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xxhash import xxh3_128_hexdigest

from merge_dsl.meaning.prints import PrintError, Prints
from merge_dsl.space.candidate import STAGE, Blend, Candidate, Keep, Place, Walk
from vlm.errors import ModelError
from vlm.merge import Portion, Sources, portion_of, portions_of
from vlm.weights.own_files import ORIGINS
from vlm.weights.source import Source

CARD = "README.md"


def write_provenance(
    part: Path,
    candidate: Candidate,
    host: Source,
    sources: Sources,
    recipe: str,
    digests: Mapping[str, Mapping[str, str]],
) -> None:
    """Write origins and card into `part`; the recipe is there. `digests`: see `Result`."""
    origins = _origins(candidate, host, sources, digests)
    made = [*map(_line, candidate.keeps), *map(_line, candidate.blends)]
    card = _card(candidate.name, candidate.models, host, recipe, _fetched(origins["models"]), made)
    _put(part, origins, card)


def _put(part: Path, origins: Mapping[str, Any], card: str) -> None:
    text = json.dumps(origins, indent=1, ensure_ascii=False)
    (part / ORIGINS).write_text(text + "\n", encoding="utf-8")
    (part / CARD).write_text(card, encoding="utf-8")


def _origins(
    candidate: Candidate,
    host: Source,
    sources: Sources,
    digests: Mapping[str, Mapping[str, str]],
) -> dict[str, Any]:
    portions = portions_of(candidate, host)
    models = _models(candidate.models, sources)
    for name in models.keys() & digests.keys():
        models[name]["read"] = _print(digests[name])
    tensors = {}
    for name, made in host.written().items():
        portion = portion_of(portions, host.anatomy.roles[made.sources[0]])
        assert portion is not None  # `check_whole` has looked
        tensors[name] = _origin(portion)
    words = {"vocabulary": host.taken.told} if host.taken is not None else {}
    return {"merge": candidate.name, "models": models, **words, "tensors": tensors}


def write_provenance_of_walk(
    part: Path, walk: Walk, host: Source, sources: Sources, recipe: str, code: str
) -> None:
    """The same for a walk: which layer of which parent each hop is. `code` says why the folder brings
    code of its own, "" where it brings none."""
    stem = f"{walk.stack}.layers"
    hops = [{"take": f"{h.model}.{stem}.{h.layer}", "scale": h.scale} for h in walk.hops]
    models = _models(walk.models, sources)
    origins = {
        "route": walk.name,
        "models": models,
        "begin": walk.begin,
        "hops": hops,
        "scale_of": walk.scale_of,
        "end": walk.end,
    }
    made = [
        f"* {_counted(walk)}, begun with `{walk.begin}` and ended with `{walk.end}`",
        *([f"* opens with `trust_remote_code=True` alone: {code}"] if code else []),
    ]
    card = _card(walk.name, walk.models, host, recipe, _fetched(models), made)
    _put(part, origins, card)


def _counted(walk: Walk) -> str:
    counts = {name: sum(hop.model == name for hop in walk.hops) for name in walk.models}
    of = ", ".join(f"{count} of `{name}`" for name, count in counts.items() if count)
    return f"a road through {len(walk.hops)} {walk.stack} layers, {of}"


def _models(places: Mapping[str, Place], sources: Sources) -> dict[str, dict[str, Any]]:
    """Where each parent comes from, fingerprints of its files, and what stands behind it."""
    prints = Prints()
    models: dict[str, dict[str, Any]] = {}
    for name in sorted(places):
        try:
            files = prints.model(sources[name].folder)
        except PrintError as error:
            raise ModelError(str(error), "fetch the file anew") from error
        models[name] = {"from": _shown(places[name]), "files": files}
        behind = _behind(places[name], sources[name].folder)
        if behind:
            models[name]["models"] = behind
    return models


def _print(digests: Mapping[str, str]) -> str:
    """One digest of all tensors that were read, by their names."""
    listed = "".join(f"{name}\0{digests[name]}\n" for name in sorted(digests))
    return f"xxh3-128:{xxh3_128_hexdigest(listed.encode())} {len(digests)} tensors"


def _origin(portion: Portion) -> dict[str, Any]:
    line, at = portion.made_by, portion.index
    if isinstance(line, Keep):
        return {"kept": str(line.origin)}

    def here(settings: Mapping[str, tuple[Any, ...]]) -> dict[str, Any]:
        return {name: values[at] for name, values in settings.items()}

    said: dict[str, Any] = {"by": line.method, **here(line.settings)}
    if line.seed is not None:
        said["seed"] = line.seed
    if line.base is not None:
        said["base"] = str(line.base)
    said["of"] = [{"take": str(one.origin), **here(one.settings)} for one in line.ingredients]
    return said


def _behind(place: Place, folder: Path) -> dict[str, Any]:
    """The models that an earlier step of the recipe is made of; empty for any other."""
    file = folder / ORIGINS
    if place.scheme != STAGE or not file.is_file():
        return {}
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["models"]
    return found


def _fetched(models: Mapping[str, Any]) -> list[str]:
    """The addresses on the hub of these models and of those behind them."""
    found: list[str] = []
    for model in models.values():
        scheme, _, address = model["from"].partition(":")
        found += [address] if scheme == "hf" else []
        found += _fetched(model.get("models", {}))
    return list(dict.fromkeys(found))


def _shown(place: Place) -> str:
    """Where a model comes from; of a folder on somebody's machine only what it is called."""
    if place.scheme == STAGE:
        return "an earlier step of this recipe"
    return str(place) if place.scheme != "file" else f"file:{Path(place.address).name}"


def _card(
    title: str,
    places: Mapping[str, Place],
    host: Source,
    recipe: str,
    named: list[str],
    made: list[str],
) -> str:
    """A model card as the hub reads it: a header in YAML, which names models of the hub, then text."""
    head = ["library_name: transformers", "tags:", "- merge", "- awase"]
    if named:
        head += ["base_model:", *(f"- {address}" for address in named)]
    if host.anatomy.sees and host.anatomy.speaks:
        head.insert(1, "pipeline_tag: image-text-to-text")
    rows = [f"| `{name}` | {_shown(place)} |" for name, place in places.items()]
    words = f"Config, tokenizer and processor are those of `{host.name}`."
    if host.taken is not None:
        words = host.taken.said
    fence = "````" if "```" in recipe else "```"
    return "\n".join(
        [
            "---", *head, "---", "", f"# {title}", "",
            f"Blended with awase from these models, by the recipe below. {words}",
            "", "| model | from |", "|---|---|", *rows, "", *made, "",
            f"Where each tensor comes from, and fingerprints of the parents' files: `{ORIGINS}`.",
            "", fence, recipe.rstrip(), fence, "",
        ]
    )  # fmt: skip


def _line(line: Keep | Blend) -> str:
    units = f"{line.units[0]} … {line.units[-1]}" if len(line.units) > 1 else line.units[0]
    if isinstance(line, Keep):
        return f"* {units}: `{line.origin}`, untouched"
    of = ", ".join(f"`{one.origin}`" for one in line.ingredients)
    return f"* {units}: {of} by `{line.method}`" + (
        f", base `{line.base}`" * (line.base is not None)
    )
