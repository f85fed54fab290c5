"""A file -> its text, or a diagnostic that says why it cannot be read.

In: a path, or bytes. Out: a `Source` and what is wrong with its encoding. The text keeps its own
line ends, so that offsets stay true and a rewritten file differs only where it was meant to.
"""

from pathlib import Path

from merge_dsl.text.diagnostics import Diagnostic, Fix, finding
from merge_dsl.text.source import Source, Span

LIMIT = 1024 * 1024  # bytes; a recipe is a page or two
START = Span(0, 0)


def read_source(path: Path) -> tuple[Source, list[Diagnostic]]:
    """Read a recipe. The text is empty where it cannot be read at all."""
    try:
        if not path.is_file():
            what = "is no file of text" if path.exists() else "does not exist"
            what = "is a folder" if path.is_dir() else what
            return _unreadable(path, f"{path} {what}", "name a recipe, a file that ends in .merge")
        if path.stat().st_size > LIMIT:
            return too_large(path)
        data = path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        return _unreadable(path, f"{path} cannot be read: {reason}", None)
    return source_of(str(path), data)


def source_of(path: str, data: bytes) -> tuple[Source, list[Diagnostic]]:
    """Bytes -> text. Bytes that are not UTF-8 are shown as U+FFFD and reported once."""
    if len(data) > LIMIT:
        return too_large(Path(path))
    found: list[Diagnostic] = []
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        text = data.decode("utf-8", errors="replace")
        at = len(data[: error.start].decode("utf-8"))
        message = f"byte 0x{data[error.start]:02x} is not UTF-8"
        if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            message = "this file is UTF-16; a recipe is UTF-8"
        found.append(finding("S010", Span(at, at + 1), message, "save the file as UTF-8"))
    if text.startswith("\ufeff"):
        # A space in its place keeps every offset of the text behind it.
        text = " " + text[1:]
        message = "the file begins with a byte order mark"
        fix = Fix(Span(0, 1), "")
        found.append(finding("S011", Span(0, 1), message, "save as plain UTF-8", fix))
    nul = text.find("\0")
    if nul >= 0:
        found.append(
            finding("S012", Span(nul, nul + 1), "a NUL character; is this a text file?", None)
        )
    return Source(path, text), found


def too_large(path: Path) -> tuple[Source, list[Diagnostic]]:
    """A file beyond `LIMIT` is not opened at all."""
    message = f"{path} is larger than {LIMIT // 1024**2} MiB; a recipe is a page or two"
    return Source(str(path), ""), [finding("S013", START, message, "is this a recipe?")]


def _unreadable(path: Path, message: str, help: str | None) -> tuple[Source, list[Diagnostic]]:
    return Source(str(path), ""), [finding("S014", START, message, help)]
