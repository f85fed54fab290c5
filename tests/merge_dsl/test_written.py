"""What a write shows of itself."""

import pytest

from merge_dsl.tools.written import Written


def test_a_line_says_bytes_pace_and_time_left() -> None:
    line = Written("student").line(1_200_000_000, 14_480_000_000, 5.0)
    assert line == "student  1.20 of 14.48 GB  8 %  240 MB/s  0:55 left"


@pytest.mark.parametrize(("quiet", "lines"), [(False, 2), (True, 0)])
def test_elsewhere_than_on_a_terminal_lines_are_seldom(
    quiet: bool, lines: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("time.perf_counter", lambda: now)
    with Written("student", quiet, started=0.0) as written:
        for second in range(25):
            now = float(second)
            written.tell(second, 25)
    shown = capsys.readouterr().err.splitlines()
    assert len(shown) == lines and all("of 0.00 GB" in line for line in shown)


def test_what_ends_at_once_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Written("student") as written:
        written.tell(1, 1)
    assert capsys.readouterr().err == ""
