"""Files that a GDAL virtual raster (VRT) reads its pixels from."""

from __future__ import annotations

import hashlib
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Mapping
from pathlib import Path

from rsweep.core.digests import File, digests, known_sha256

SUFFIX = ".vrt"
SOURCES = ("SourceFilename", "SourceDataset", "SourceVRTFile")
DEPTH = 8
"""Virtual rasters of virtual rasters that are followed; GDAL itself stops a loop."""


def content_digests(root: Path, files: Iterable[File]) -> dict[str, str]:
    """As `digests`, but a virtual raster's is also of the files that it reads.

    Raises:
        OSError: a file cannot be read.
    """
    files = list(files)
    found = digests(root, files)
    virtual = [file.path for file in files if file.path.lower().endswith(SUFFIX)]
    return found | {path: _with_sources(root / path, found[path]) for path in virtual}


def _with_sources(path: Path, own: str, depth: int = DEPTH) -> str:
    parts = [own]
    for source in sources_of(path):
        if isinstance(source, str):
            parts.append(source)  # not a file: an address or a name that a driver of GDAL knows
            continue
        held = known_sha256(source)
        nested = source.suffix.lower() == SUFFIX and depth
        parts.append(_with_sources(source, held, depth - 1) if nested else held)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def files_behind(root: Path, paths: Iterable[str], depth: int = DEPTH) -> list[Path]:
    """Files that the virtual rasters among some files of a folder read, through others too."""
    virtual = [root / path for path in paths if path.lower().endswith(SUFFIX)]
    found = [s for path in virtual for s in sources_of(path) if isinstance(s, Path)]
    nested = [str(path) for path in found] if depth else []
    return [*found, *(files_behind(Path(), nested, depth - 1) if nested else ())]


def sources_of(path: Path) -> list[Path | str]:
    """What a virtual raster reads: files, or the text of what is none; [] where it is no XML."""
    try:
        tree = ElementTree.parse(path)
    except (ElementTree.ParseError, OSError):
        return []
    found = dict.fromkeys(
        _source(path, (node.text or "").strip(), node.attrib)
        for node in tree.iter()
        if node.tag in SOURCES
    )
    return [source for source in found if source]


def _source(path: Path, text: str, attributes: Mapping[str, str]) -> Path | str:
    relative = attributes.get("relativeToVRT", attributes.get("relativetoVRT")) == "1"
    file = path.parent / text if relative else Path(text)
    return file if text and file.is_file() else text
