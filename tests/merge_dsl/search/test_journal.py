"""The journal: records come back as they went in, and whatever is torn is cut off."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from merge_dsl.search.errors import JournalError
from merge_dsl.search.journal import End, Header, Journal, Trial, read_journal

HEADER = Header("recipe", 7, ("a", "b"), "evaluator")
TRIALS = (
    Trial(
        0, 0, (0.1, 1 / 3), (0.1, 4, True, "ties"), "d0", 0.25, {"rouge_l on 猫": (0.5, 0.0)}, 1.5
    ),
    Trial(1, 0, (0.5, 0.5), (0.5, 1, False, "dare"), "d1", None, failure='a "bad"\nline'),
    Trial(2, 1, (5e-324, 1.0), (0.0, 2, False, "ties"), "d0", 0.25, repeats=0, role="mean"),
)
END = End("3 trials", 0)


def write(path: Path) -> bytes:
    with Journal(path, HEADER) as journal:
        for record in (*TRIALS, END):
            journal.append(record)
    return path.read_bytes()


def test_records_come_back(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "one" / "journal.jsonl"
    write(path)
    found = read_journal(path)
    assert (found.header, found.trials, found.end) == (HEADER, TRIALS, END)
    with Journal(path, HEADER) as journal:
        assert (journal.trials, journal.end, journal.torn) == (TRIALS, END, 0)


def test_every_record_is_on_the_disk_before_the_search_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "j"
    sizes: list[int] = []
    real = os.fsync

    def spy(file: int) -> None:
        sizes.append(path.stat().st_size)
        real(file)

    monkeypatch.setattr(os, "fsync", spy)
    whole = write(path)
    ends = [at + 1 for at, byte in enumerate(whole) if byte == ord("\n")]
    assert sizes == [ends[0], *ends]  # after the header the folder, too


def test_every_line_is_json(tmp_path: Path) -> None:
    lines = write(tmp_path / "j").decode().splitlines()
    kinds = [json.loads(line)["record"]["kind"] for line in lines]
    assert kinds == ["run", "trial", "trial", "trial", "end"]


def test_a_line_torn_at_any_byte_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "j"
    whole = write(path)
    last = whole.rstrip(b"\n").rfind(b"\n") + 1
    for size in range(last, len(whole)):
        path.write_bytes(whole[:size])
        assert read_journal(path).end is None
        with Journal(path, HEADER) as journal:
            assert (journal.trials, journal.end, journal.torn) == (TRIALS, None, size - last)
            assert path.read_bytes() == whole[:last]
            journal.append(END)
        assert path.read_bytes() == whole
    assert not path.with_suffix(".cut").exists()


def test_a_header_torn_at_any_byte_is_written_again(tmp_path: Path) -> None:
    path = tmp_path / "j"
    whole = write(path)
    first = whole.index(b"\n") + 1
    for size in range(first):
        path.write_bytes(whole[:size])
        Journal(path, HEADER).close()
        assert path.read_bytes() == whole[:first]


def test_a_changed_bit_cuts_the_journal_there_and_keeps_what_was_cut(tmp_path: Path) -> None:
    path = tmp_path / "j"
    whole = write(path)
    second = whole.index(b"\n") + 1
    at = whole.index(b'"d0"') + 1
    path.write_bytes(whole[:at] + b"D" + whole[at + 1 :])
    with Journal(path, HEADER) as journal:
        assert journal.trials == ()
    assert path.read_bytes() == whole[:second]
    assert path.with_suffix(".cut").read_bytes()[at + 1 - second :] == whole[at + 1 :]


def test_records_out_of_their_place_are_cut(tmp_path: Path) -> None:
    path = tmp_path / "j"
    lines = write(path).splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], lines[1], lines[3], lines[2]]))
    assert read_journal(path).trials == TRIALS[:1]
    path.write_bytes(b"".join([*lines, lines[1]]))
    assert read_journal(path).trials == TRIALS


def test_two_writers_cannot_hold_one_journal(tmp_path: Path) -> None:
    path = tmp_path / "j"
    with Journal(path, HEADER):
        with pytest.raises(JournalError, match="another awase is running in"):
            Journal(path, HEADER)
        code = (
            "import sys; from pathlib import Path\n"
            "from merge_dsl.search.journal import Journal, Header\n"
            "Journal(Path(sys.argv[1]), Header('recipe', 7, ('a', 'b'), 'evaluator'))\n"
        )
        other = subprocess.run(
            [sys.executable, "-c", code, str(path)],
            cwd=Path(__file__).parents[3],
            capture_output=True,
            text=True,
        )
        assert other.returncode == 1 and "another awase is running" in other.stderr
        assert read_journal(path).header == HEADER  # reading needs no lock
    Journal(path, HEADER).close()  # and the lock goes with its holder


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (Header("recipe 2", 7, ("a", "b"), "evaluator"), "other recipe;"),
        (Header("recipe", 8, ("a",), "evaluator"), "other seed and genes;"),
        (Header("recipe", 7, ("a", "b"), "evaluator 2"), "other models, data, device or dtype;"),
    ],
)
def test_a_journal_of_another_run_is_left_alone(tmp_path: Path, other: Header, says: str) -> None:
    path = tmp_path / "j"
    whole = write(path)
    with pytest.raises(JournalError, match=says):
        Journal(path, other)
    assert path.read_bytes() == whole


def test_a_file_that_is_no_journal_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "j"
    path.write_text("my notes\nof yesterday\n")
    with pytest.raises(JournalError, match="is no journal"):
        Journal(path, HEADER)
    with pytest.raises(JournalError, match="is no journal"):
        read_journal(path)
    assert path.read_text() == "my notes\nof yesterday\n"
    with pytest.raises(JournalError, match="cannot be read"):
        read_journal(tmp_path / "none")
    with pytest.raises(JournalError, match="cannot be opened"):
        Journal(path / "under-a-file", HEADER)


def test_a_full_disk_leaves_the_journal_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "j"
    real = os.pwrite

    def half(file: int, data: bytes, at: int) -> int:
        if len(data) > 40:
            return real(file, data[:40], at)
        raise OSError(28, "No space left on device")

    with Journal(path, HEADER) as journal:
        journal.append(TRIALS[0])
        before = path.read_bytes()
        monkeypatch.setattr(os, "pwrite", half)
        with pytest.raises(JournalError, match="No space left on device; make room"):
            journal.append(TRIALS[1])
        assert path.read_bytes() == before
        monkeypatch.undo()
        journal.append(TRIALS[1])
    assert read_journal(path).trials == TRIALS[:2]
