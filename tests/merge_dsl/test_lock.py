"""lock: what a recipe stands on is written down, and what has changed since is named."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from merge_dsl.cli import main
from merge_dsl.meaning import prints
from merge_dsl.meaning.lock import lock_path
from merge_dsl.meaning.prints import PrintError, Prints, rows
from tests.merge_dsl.conftest import write_llm

COMMIT = "0123456789abcdef0123456789abcdef01234567"
RECIPE = 'recipe a\n\nmodel m from "file:m"\n\ndata d from "file:d.jsonl"\n'


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    write_llm(tmp_path / "m")
    (tmp_path / "d.jsonl").write_text('{"a": 1}\n\n{"a": 2}\n')
    path = tmp_path / "a.merge"
    path.write_text(RECIPE)
    return path


def locked(recipe: Path, *options: str) -> dict[str, dict[str, dict[str, object]]]:
    assert main(["lock", *options, str(recipe)]) == 0
    table: dict[str, dict[str, dict[str, object]]] = json.loads(lock_path(recipe).read_text())
    return table


def cached(recipe: Path, name: str, branch: str = "main") -> None:
    refs = recipe.parent / "cache" / name / "refs"
    refs.mkdir(parents=True, exist_ok=True)
    (refs / branch).write_text(COMMIT)


def sha(path: Path) -> str:
    data = path.read_bytes()
    return f"sha256:{hashlib.sha256(data).hexdigest()} {len(data)} bytes"


def test_what_a_lock_holds(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = locked(recipe)
    assert capsys.readouterr().out == f"wrote {recipe.with_suffix('.lock')}: 1 model, 1 data set\n"
    folder = recipe.parent
    assert table == {
        "lock": 1,
        "recipe": "a",
        "full": False,
        "models": {
            "m": {
                "source": "file:m",  # relative: the lock means the same elsewhere
                "kind": "file",
                "files": {
                    "config.json": sha(folder / "m" / "config.json"),
                    "model.safetensors": sha(folder / "m" / "model.safetensors"),
                },
            }
        },
        "data": {
            "d": {
                "source": "file:d.jsonl", "kind": "file", "rows": 2,
                "content": sha(folder / "d.jsonl"),
            }
        },
    }  # fmt: skip
    before = lock_path(recipe).read_bytes()
    locked(recipe)
    assert lock_path(recipe).read_bytes() == before and before.endswith(b"}\n")
    assert recipe.read_text() == RECIPE


def test_check_names_what_differs(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    locked(recipe)
    capsys.readouterr()
    assert main(["lock", "--check", str(recipe)]) == 0
    assert "nothing has changed" in capsys.readouterr().out
    with (recipe.parent / "d.jsonl").open("a") as stream:
        stream.write('{"a": 3}\n')
    (recipe.parent / "m" / "config.json").write_text(
        (recipe.parent / "m" / "config.json").read_text() + " "
    )
    (recipe.parent / "m" / "tokenizer.json").write_text("{}")
    before = lock_path(recipe).read_bytes()
    assert main(["lock", "--check", str(recipe)]) == 1
    found = capsys.readouterr().out.splitlines()
    assert [line.split(" was ")[0] for line in found] == [
        "model m: config.json",
        "model m: tokenizer.json is new",
        "data d: rows",
        "data d: content",
    ]
    assert found[2] == "data d: rows was 2, is 3"
    assert lock_path(recipe).read_bytes() == before


def test_check_sees_what_came_and_went(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    locked(recipe)
    recipe.write_text(RECIPE.replace("data d from", "data e from"))
    assert main(["lock", "--check", str(recipe)]) == 1
    out = capsys.readouterr().out
    assert "data d is locked, and is no longer in the recipe\ndata e is not in the lock\n" in out
    recipe.write_text(RECIPE.replace("file:m", "zoo:emoji-llm-ja"))
    assert main(["lock", "--check", str(recipe)]) == 1
    out = capsys.readouterr().out
    assert "model m: source was file:m, is zoo:emoji-llm-ja\n" in out


def test_models_of_the_hub(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe.write_text(
        "recipe a\n\n"
        'model cached from "hf:org/cached"\n'
        'model branch from "hf:org/branch" { revision = "v1" }\n'
        f'model pinned from "hf:org/pinned" {{ revision = "{COMMIT[::-1]}" }}\n'
        'model tower from "open_clip:ViT-L-14/openai"\n\n'
        'data d from "hf:org/data"\n'
    )
    cached(recipe, "models--org--cached")
    assert main(["lock", str(recipe)]) == 1
    error = capsys.readouterr().err
    assert "model branch: hf:org/branch is not in the local cache" in error
    assert "data d: hf:org/data is not in the local cache" in error and "cached:" not in error
    assert not lock_path(recipe).exists()  # nothing, rather than half of it
    cached(recipe, "models--org--branch", "v1")
    cached(recipe, "datasets--org--data")
    table = locked(recipe)
    revisions = {name: entry.get("revision") for name, entry in table["models"].items()}
    assert revisions == {
        "branch": COMMIT, "cached": COMMIT, "pinned": COMMIT[::-1], "tower": None,
    }  # fmt: skip
    assert table["data"]["d"]["revision"] == COMMIT
    (recipe.parent / "cache" / "models--org--cached" / "refs" / "main").write_text(COMMIT[::-1])
    (recipe.parent / "cache" / "models--org--branch" / "refs" / "v1").unlink()
    capsys.readouterr()
    assert main(["lock", "--check", str(recipe)]) == 1
    said = capsys.readouterr()
    assert said.out == "model cached: revision was 0123456789ab…, is 76543210fedc…\n"
    assert said.err.startswith("model branch: hf:org/branch is not in the local cache")


def test_the_hub_is_asked_when_it_may_be(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class Api:
        def repo_info(self, name: str, **options: object) -> SimpleNamespace:
            asked.append((name, options["repo_type"], options["revision"]))
            if name == "org/none":
                raise RuntimeError("404 Client Error\nlong story")
            return SimpleNamespace(sha=COMMIT)

    monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace(HfApi=Api))
    monkeypatch.delenv("HF_HUB_OFFLINE")
    recipe.write_text(
        'recipe a\n\nmodel m from "hf:org/m" { revision = "v1" }\n\ndata d from "hf:org/d"\n'
    )
    table = locked(recipe)
    assert asked == [("org/m", "model", "v1"), ("org/d", "dataset", None)]
    assert table["models"]["m"]["revision"] == table["data"]["d"]["revision"] == COMMIT
    recipe.write_text('recipe a\n\nmodel m from "hf:org/none"\n')
    assert main(["lock", str(recipe)]) == 1


def test_large_weights_are_known_by_their_headers(
    recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prints, "LARGE", 100)
    weights = recipe.parent / "m" / "model.safetensors"
    quick = locked(recipe)["models"]["m"]["files"]
    assert isinstance(quick, dict)
    size = weights.stat().st_size
    length = int.from_bytes(weights.read_bytes()[:8], "little")
    digest = hashlib.sha256(weights.read_bytes()[: 8 + length]).hexdigest()
    assert quick["model.safetensors"] == f"header-sha256:{digest} {size} bytes"
    assert str(quick["config.json"]).startswith("sha256:")

    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert main(["lock", "--check", str(recipe)]) == 0  # which is why `--full` is there
    full = locked(recipe, "--full")["models"]["m"]["files"]
    assert isinstance(full, dict) and full["model.safetensors"] == sha(weights)
    data[-1] ^= 1
    weights.write_bytes(data)
    assert main(["lock", "--check", str(recipe)]) == 1  # a full lock is checked in full

    weights.write_bytes(b"\xff" * 200)
    with pytest.raises(PrintError, match="cut off"):
        Prints().file(weights)


def test_rows(tmp_path: Path) -> None:
    def count(name: str, content: str) -> int | None:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
        return rows(path)

    assert count("a.csv", 'a,b\n1,"x\ny"\n\n2,z\n') == 2
    assert count("a.csv", "") == 0
    assert count("a.json", "[1, 2, 3]") == 3
    assert count("a.json", "{}") is None
    assert count("a.txt", "1\n2\n") is None
    with pytest.raises(PrintError):
        count("b.json", "[1, 2")
    count("pictures/a.png", "")
    count("pictures/b.JPG", "")
    assert rows(tmp_path / "pictures") == 2
    count("pictures/metadata.jsonl", "{}\n{}\n{}\n")
    assert rows(tmp_path / "pictures") == 3
    (tmp_path / "empty").mkdir()
    assert rows(tmp_path / "empty") is None
    with pytest.raises(PrintError):
        rows(tmp_path / "none.jsonl")


def test_rows_of_parquet() -> None:
    pytest.importorskip("pyarrow")
    data = Path(__file__).parents[2] / "vlm" / "zoo" / "data"
    assert rows(data / "emoji-ja.parquet") == 752
    assert rows(data) == sum(rows(file) or 0 for file in data.glob("*.parquet"))


def test_a_folder_has_one_fingerprint(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.png").write_text("1")
    assert Prints().data(tmp_path / "a") == Prints().data(tmp_path / "b")
    (tmp_path / "b" / "x.png").rename(tmp_path / "b" / "y.png")
    assert Prints().data(tmp_path / "a") != Prints().data(tmp_path / "b")
    assert Prints().data(tmp_path / "a").endswith(" 1 bytes")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"lock": 2, "models": {}, "data": {}}',
                                     '{"lock": 1, "models": {"m": 3}, "data": {}}', "[" * 100000])  # fmt: skip
def test_what_is_no_lock(recipe: Path, content: str, capsys: pytest.CaptureFixture[str]) -> None:
    lock_path(recipe).write_text(content)
    assert main(["lock", "--check", str(recipe)]) == 1
    assert "a.lock is" in capsys.readouterr().err


def test_a_lock_that_is_not_there(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lock", "--check", str(recipe)]) == 1
    assert "awase lock" in capsys.readouterr().err
    assert main(["lock", str(recipe.parent / "none.merge")]) == 2
    lock_path(recipe).mkdir()
    assert main(["lock", str(recipe)]) == 2


def test_a_lock_never_replaces_the_recipe() -> None:
    assert lock_path(Path("x/a.merge")) == Path("x/a.lock")
    assert lock_path(Path("a.lock")) == Path("a.lock.lock")
    assert lock_path(Path("a.b.merge")) == Path("a.b.lock")


def test_locking_what_ships_loads_nothing_heavy(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    path = tmp_path / "emoji_ja.merge"
    path.write_text((root / "recipes" / "emoji_ja.merge").read_text())
    code = (
        f"import sys; from merge_dsl.cli import main; assert main(['lock', {str(path)!r}]) == 0;"
        "sys.exit(' '.join(m for m in ('torch', 'transformers', 'datasets', 'huggingface_hub')"
        " if m in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    table = json.loads((tmp_path / "emoji_ja.lock").read_text())
    assert sorted(table["models"]) == ["base", "eyes", "tongue"]
    assert table["data"]["naming"]["rows"] == 752
