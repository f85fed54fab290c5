"""Which codes are shown: `--select`, `--ignore`, and `[tool.awase.lint]` of a `pyproject.toml`.

In: codes and beginnings of codes (`X`, `X3`, `X301`), and the path of a recipe. Out: a `Selection`. The
longer of two beginnings wins, so `--ignore X --select X301` leaves X301. A mistake is a `ConfigError`.
"""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from merge_dsl.text.codes import CODES
from merge_dsl.text.diagnostics import Diagnostic, is_error
from merge_dsl.text.words import nearest, quoted

KEYS = ("select", "ignore", "per-file-ignores")
# A table that may hold `[tool.awase.lint]`: `[tool]` itself, or one that begins with `tool.awase`.
OURS = re.compile(rb"""^\s*\[+\s*["']?tool["']?\s*(\]|\.\s*["']?awase\b)""", re.MULTILINE)


class ConfigError(Exception):
    """A selection that means nothing: what, and the way out."""

    def __init__(self, what: str, way_out: str = "") -> None:
        super().__init__(what)
        self.what, self.way_out = what, way_out


class Selection(NamedTuple):
    """`select` is None for everything. `per_file` maps a pattern to what is ignored there."""

    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()
    per_file: tuple[tuple[str, tuple[str, ...]], ...] = ()
    folder: Path | None = None  # where the patterns begin

    def kept(self, path: str, diagnostics: Sequence[Diagnostic]) -> tuple[Diagnostic, ...]:
        """What is shown. A text that does not parse was not linted, and that is always said."""
        ignored = self.ignore + self._ignored_in(path)
        return tuple(
            d
            for d in diagnostics
            if (d.code.startswith("S") and is_error(d)) or self._shows(d.code, ignored)
        )

    def _shows(self, code: str, ignored: tuple[str, ...]) -> bool:
        chosen = _longest(code, ("",) if self.select is None else self.select)
        refused = _longest(code, ignored)
        return chosen is not None and (refused is None or chosen > refused)

    def _ignored_in(self, path: str) -> tuple[str, ...]:
        if not self.per_file or self.folder is None:
            return ()
        whole = Path(path).absolute()
        inside = whole.is_relative_to(self.folder)
        name = (whole.relative_to(self.folder) if inside else whole).as_posix()
        hits = [
            codes
            for pattern, codes in self.per_file
            if fnmatchcase(name, pattern) or fnmatchcase(whole.name, pattern)
        ]
        return tuple(code for codes in hits for code in codes)


def _longest(code: str, beginnings: Sequence[str]) -> int | None:
    return max((len(b) for b in beginnings if code.startswith(b)), default=None)


def codes_of(words: Sequence[str], where: str) -> tuple[str, ...]:
    """`["X3,D703", "S"]` -> beginnings of codes. Raises ConfigError for what is none."""
    found = [part.strip() for word in words for part in word.split(",")]
    for part in found:
        if not part or not any(code.startswith(part) for code in CODES):
            close = part.upper() if part.upper() in CODES else nearest(part.upper(), CODES)
            meant = f"; did you mean {close}?" if close else ""
            message = f"{where}: there is no rule `{part}`{meant}"
            raise ConfigError(
                message, "`awase explain` lists them; a family is a letter, such as X"
            )
    return tuple(found)


def configured(folder: Path) -> Selection:
    """What the nearest `pyproject.toml` above a folder says. Raises ConfigError."""
    for place in (folder, *folder.parents):
        path = place / "pyproject.toml"
        try:
            data = path.read_bytes() if path.is_file() else b""
        except OSError as error:
            raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
        # Reading TOML costs as much as parsing a recipe; most projects say nothing of awase.
        if b"awase" in data and OURS.search(data):
            selection = _from_toml(path, data)
            if selection is not None:
                return selection
    return Selection()


def _from_toml(path: Path, data: bytes) -> Selection | None:
    import tomllib

    try:
        table: Any = tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} cannot be read: {error}", "mend it, or move it away") from error
    for name in ("tool", "awase", "lint"):
        table = table.get(name)
        if table is None:
            return None
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: `{name}` of [tool.awase.lint] is no table")
    where = f"{path} [tool.awase.lint]"
    for key in table:
        if key not in KEYS:
            close = nearest(key, KEYS)
            meant = f"; did you mean `{close}`?" if close else ""
            raise ConfigError(f"{where} has no `{key}`{meant}", f"it has {quoted(KEYS)}")
    select = _texts(table["select"], f"{where} select") if "select" in table else None
    ignore = _texts(table.get("ignore", []), f"{where} ignore")
    per_file = table.get("per-file-ignores", {})
    if not isinstance(per_file, dict):
        raise ConfigError(
            f"{where} per-file-ignores is no table", 'write { "old/*.merge" = ["X306"] }'
        )
    patterns = tuple((p, _texts(v, f"{where} per-file-ignores {p}")) for p, v in per_file.items())
    return Selection(select, ignore, patterns, path.parent)


def _texts(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ConfigError(f"{where} is no list of codes", 'write it as ["X306", "D"]')
    return codes_of(value, where)
