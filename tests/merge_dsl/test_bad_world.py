"""What a recipe leads to may be hostile, too: folders, devices, huge files. Lint reads little, runs
nothing, writes nothing."""

import json
import os
import pickle
import resource
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from merge_dsl.cli import main
from tests.merge_dsl.conftest import LANGUAGE, TASK, merge_recipe, write_llm, write_vlm
from tests.merge_dsl.test_bad_input import FINE, WHOLE

MEGABYTES, SECONDS = 200, 60  # of a whole process that lints every bad file of this page
MODEL = 'recipe a\nmodel m from "file:m"\nmerge s { keep language from m }\n'


def lint(path: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    assert main(["lint", str(path), "--format", "json", "--ignore", "F901"]) in (0, 1)
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


# The peak of this process alone: `ru_maxrss` would count what pytest held when it forked.
MEASURED = """
import re, resource, sys
from pathlib import Path
from merge_dsl.cli import main
code = main(["lint", sys.argv[1], "--format", "json"])
used = resource.getrusage(resource.RUSAGE_SELF)
status = Path("/proc/self/status")
peak = re.search(r"VmHWM:\\s+([0-9]+)", status.read_text()) if status.exists() else None
print(code, int(peak[1]) // 1024 if peak else 0, round(used.ru_utime + used.ru_stime), file=sys.stderr)
"""


def test_all_bad_files_at_once_in_bounded_memory_and_time(tmp_path: Path) -> None:
    for number, content in enumerate((WHOLE | FINE).values()):
        (tmp_path / f"{number}.merge").write_bytes(content)
    with (tmp_path / "large.merge").open("wb") as file:
        file.writelines(b"{" * 10**6 for _ in range(100))
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(tmp_path)], capture_output=True, text=True
    )
    code, megabytes, seconds = map(int, done.stderr.split())
    assert code == 1 and len({e["path"] for e in json.loads(done.stdout)}) >= len(WHOLE)
    assert megabytes < MEGABYTES and seconds < SECONDS


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_AS"), reason="needs limits of memory")
@pytest.mark.parametrize("command", ["lint", "fmt"])
def test_a_hundred_megabytes_through_a_pipe(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "merge_dsl", command, "-"],
        input=b"{" * 10**8,
        capture_output=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (600 * 10**6, 600 * 10**6)),
    )
    said = (done.stdout + done.stderr).decode()
    assert "S013" in said and "Traceback" not in said


def test_a_byte_order_mark_and_crlf(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.merge"
    path.write_bytes("\ufeffrecipe a\r\nlet x = 1\r\nlet y = zz\r\n".encode())
    found = [(e["code"], e["line"], e["column"]) for e in lint(path, capsys)]
    assert found == [("S011", 1, 1), ("N101", 3, 9)]


WINDOWS = [
    r"file:C:\models\llava", r"file:.\models\llava", r"file:\\server\share\llava", r"file:models\llava",
    "file:C:/models/llava", r"C:\models\llava", "c:llava", r"hf:org\name", "file:con", r"file:..\..\x",
]  # fmt: skip


@pytest.mark.parametrize("address", WINDOWS)
def test_paths_of_windows(address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.merge"
    path.write_text(f'recipe a\nmodel m from "{address}"\ndata d from "{address}"\n')
    codes = [entry["code"] for entry in lint(path, capsys)]
    assert "N108" in codes
    path.write_text(f'recipe a\nuse "{address}" as b\n')
    assert [entry["code"] for entry in lint(path, capsys)] == ["N109"]


def test_a_path_of_windows_in_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    r"""On other systems `common\a.merge` is one odd name, and it is said to be missing."""
    (tmp_path / "common").mkdir()
    (tmp_path / "common" / "a.merge").write_text("recipe b\n")
    (tmp_path / "a.merge").write_text('recipe a\nuse "common\\a.merge" as b\n')
    found = lint(tmp_path / "a.merge", capsys)
    assert [e["code"] for e in found] == ([] if os.name == "nt" else ["N109"])


HEADERS: dict[str, bytes] = {
    "nothing": b"",
    "cut off": struct.pack("<Q", 100),
    "longer than the file": struct.pack("<Q", 2**63) + b"{}",
    "all ones": b"\xff" * 64,
    "no json": struct.pack("<Q", 8) + b"\x00" * 8,
    "a list": struct.pack("<Q", 2) + b"[]",
    "braces": struct.pack("<Q", 10**6) + b"{" * 10**6,
    "arrays": struct.pack("<Q", 10**6) + b"[" * 10**6,
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_that_lies(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_llm(tmp_path / "m")
    (tmp_path / "m" / "model.safetensors").write_bytes(HEADERS[name])
    path = tmp_path / "a.merge"
    path.write_text(MODEL)
    assert [entry["code"] for entry in lint(path, capsys)] == ["M411"]


@pytest.mark.parametrize(
    ("key", "value"),
    [("num_hidden_layers", 40), ("hidden_size", 12), ("intermediate_size", 1)],
)
def test_a_config_that_lies_about_its_headers(
    key: str, value: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_llm(tmp_path / "m")
    (folder / "config.json").write_text(json.dumps(LANGUAGE | {key: value}))
    path = tmp_path / "a.merge"
    path.write_text(MODEL)
    (found,) = lint(path, capsys)
    assert (found["code"], found["line"], found["column"]) == ("M411", 2, 14)
    assert f"says {key.removeprefix('num_hidden_').removesuffix('_size')}" in found["message"]


def test_files_that_never_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_vlm(tmp_path / "m")
    path = tmp_path / "a.merge"
    path.write_text(MODEL.replace("keep language", "keep vision, projector, language"))
    for name in ("tokenizer.json", "preprocessor_config.json", "README.md", "chat_template.jinja"):
        os.symlink("/dev/zero", folder / name)
    os.mkfifo(folder / "tokenizer_config.json")
    assert lint(path, capsys) == []
    for name in ("config.json", "model.safetensors", "model.safetensors.index.json"):
        shutil.rmtree(folder)
        write_vlm(folder)
        (folder / name).unlink(missing_ok=True)
        os.symlink("/dev/zero", folder / name)
        codes = {entry["code"] for entry in lint(path, capsys)}
        assert codes <= {"M411"}, name


def test_a_config_of_a_hundred_megabytes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_llm(tmp_path / "m")
    with (folder / "config.json").open("wb") as file:
        file.writelines(b"[" * 10**6 for _ in range(100))
    path = tmp_path / "a.merge"
    path.write_text(MODEL)
    (found,) = lint(path, capsys)
    assert found["code"] == "M411" and "larger than 10 MB" in found["message"]


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("exploded",)


def test_nothing_is_run_and_nothing_is_written(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    shutil.copytree(world, home)
    for folder in (home / "eyes", home / "tongue"):
        (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb()))
        (folder / "modeling_m.py").write_text("open('exploded', 'w')\n")
        config = json.loads((folder / "config.json").read_text())
        config["auto_map"] = {"AutoModel": "modeling_m.Model"}
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "chat_template.jinja").write_text("{{ ''.__class__.__mro__ }}")
    out = 'write student to "../../../outside"\n'
    (home / "a.merge").write_text(merge_recipe(TASK) + out)
    monkeypatch.chdir(home)
    before = snapshot(tmp_path)
    for command in (
        ["lint"], ["lint", "--deep"], ["lint", "--format", "sarif"], ["plan"], ["show"],
        ["fmt", "--check"], ["freeze", "--start"], ["export"],
    ):  # fmt: skip
        main([*command, "a.merge"])
    assert snapshot(tmp_path) == before


def snapshot(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in sorted(folder.rglob("*"))
    }
