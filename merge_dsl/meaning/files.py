"""Files that lie beside a model, read with a bound.

In: a path that a recipe leads to. Out: its bytes. What is no ordinary file (a pipe, a device) would never
end, and what is larger than such a file ever is would fill the memory; neither is opened.
"""

import errno
import stat
from pathlib import Path

CONFIG = 10_000_000  # bytes of a config or an index; real ones have a few thousand
TOKENIZER = 100_000_000


def bytes_of(path: Path, limit: int = CONFIG) -> bytes:
    """All bytes of an ordinary file. Raises OSError, also where it is larger than `limit`."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is no ordinary file")
    with path.open("rb") as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"it is larger than {limit // 1_000_000} MB")
    return data
