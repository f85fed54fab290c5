"""Encoded pictures -> what a picture processor takes.

In: the bytes of a file. Out: an RGB `PIL.Image`, upright, as a viewer would show it on white.
"""

import io
import struct
import zlib
from typing import Any

from vlm.errors import DataError

# Pillow's decoders raise all of these for files that are torn, garbled or absurd.
TORN = (OSError, SyntaxError, ValueError, IndexError, EOFError, struct.error, zlib.error)


def open_picture(image: bytes) -> Any:
    """Encoded bytes -> an RGB `PIL.Image`. Transparent parts become white, not black.

    Raises DataError for what is no picture, and for one so large that decoding it may be an attack.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        picture: Image.Image = Image.open(io.BytesIO(image))
        picture.load()
        picture = ImageOps.exif_transpose(picture)
        if picture.mode.startswith("I"):
            return _narrowed(picture).convert("RGB")
        if picture.has_transparency_data:
            picture = picture.convert("RGBA")
            white = Image.new("RGBA", picture.size, "white")
            white.alpha_composite(picture)
            picture = white
        return picture.convert("RGB")
    except UnidentifiedImageError as error:  # whose own words name a place in memory
        raise DataError("a picture is of no kind that is known", "check the data set") from error
    except (*TORN, Image.DecompressionBombError) as error:
        raise DataError(f"a picture cannot be decoded: {error}", "check the data set") from error


def _narrowed(picture: Any) -> Any:
    """16-bit grey -> 8-bit grey. Pillow's own conversion cuts at 255, which leaves only white."""
    import numpy as np
    from PIL import Image

    wide = np.asarray(picture, dtype=np.float64)
    return Image.fromarray((wide / 257).round().clip(0, 255).astype(np.uint8))
