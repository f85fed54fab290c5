"""Where the world's raw material comes from: eight npm archives, pinned by version and content.

In: a cache folder. Out: the archives unpacked in it. Needs `npm` only when an archive is absent.
Licences: Noto and Noto v1 Apache-2.0, Fluent MIT, Twemoji CC-BY-4.0, CLDR Unicode-3.0 (see NOTICE).
"""

import hashlib
import json
import subprocess
import tarfile
from pathlib import Path
from typing import Any

ARCHIVES: dict[str, tuple[str, str]] = {  # role -> (npm name@version, sha256 of the archive)
    "noto": (
        "@iconify-json/noto@1.2.9",
        "3e918d88fc945c0bb3d468dbace6f88caef67f01c9f0e7bcae0915a042e8f1ad",
    ),
    "noto-v1": (
        "@iconify-json/noto-v1@1.2.5",
        "2bf62c26c2c2884aa99e90aec942cdaee17a5921f05690694f4978ad4b017c37",
    ),
    "fluent": (
        "@iconify-json/fluent-emoji-flat@1.2.6",
        "7d064769dee690815f823bc5bcc511d957198caf9f5edd8dd9c1aa48a6aeb175",
    ),
    "twemoji": (
        "@iconify-json/twemoji@1.2.5",
        "19046dff7d8707ce96212ec86468b36ac5f8e60409629dd13f809265c6d0ebb7",
    ),
    "names": (
        "cldr-annotations-full@48.2.0",
        "28576e51225deb51e3ddd734b0f824a0079682cb5d8c27faa9f68149317a14d1",
    ),
    "labels": (
        "cldr-misc-full@48.2.0",
        "c6ba8384d7ea8701cf86935db0461379231ddd970cc41c249f4a33b9857ded3c",
    ),
    "groups": (
        "unicode-emoji-json@0.9.0",
        "ae7efacb55533385bf8767d613dbd36c71226669759d95919a6e9059f5e4c401",
    ),
}

HANDS = ("noto", "noto-v1", "fluent", "twemoji")  # a hand is one artist's way of drawing


def archive_name(package: str) -> str:
    """The file that `npm pack` writes for `package`: "@a/b@1" becomes "a-b-1.tgz"."""
    return package.lstrip("@").replace("/", "-").replace("@", "-") + ".tgz"


def fetch(role: str, cache: Path) -> Path:
    """The unpacked folder of one archive, downloaded into `cache` when absent.

    Raises RuntimeError when the archive's bytes are not the pinned ones.
    """
    package, digest = ARCHIVES[role]
    archive = cache / archive_name(package)
    if not archive.exists():
        cache.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "pack", "--silent", package], cwd=cache, check=True)
    if hashlib.sha256(archive.read_bytes()).hexdigest() != digest:
        raise RuntimeError(f"{archive} is not the archive this world was built from; delete it")
    folder = cache / role
    if not folder.exists():
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
    return folder / "package"


def read_json(role: str, cache: Path, path: str) -> Any:
    """One JSON file of one archive."""
    return json.loads((fetch(role, cache) / path).read_text(encoding="utf-8"))
