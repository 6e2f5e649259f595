"""The chips of a data set, whichever form it is published in."""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from rsweep.core.digests import File, walk
from rsweep.core.errors import SourceError
from rsweep.core.sensors import SENSORS
from rsweep.sources.chips.chip import Chip, Picture
from rsweep.sources.chips.splits import listed_splits

Options = Mapping[str, Any]


@dataclass(frozen=True, eq=False)  # compared by identity, so that it can be a key of a cache
class Index:
    """A data set as a process first saw it.

    Attributes:
        root: folder from which files are named.
        chips: id -> chip, ordered by id.
        columns: role -> column, as the study says.
        bands: of every image, in its order.
    """

    root: Path
    chips: Mapping[str, Chip]
    columns: Mapping[str, Any]
    bands: Sequence[str]

    def read(self, chip: Chip) -> Picture:
        """A chip's picture.

        Raises:
            RoiError: it cannot be read.
        """
        from rsweep.sources.chips import arrays, folder, hub, webdataset

        if not chip.at:
            return folder.read_file(self.root, chip)
        if chip.file.path.endswith(webdataset.SUFFIX):
            return webdataset.read_tar(self.root, chip)
        if chip.file.path.endswith(hub.SUFFIX):
            return hub.read_parquet(self.root, chip, self.columns, self.bands)
        return arrays.read_array(self.root, chip, self.columns, self.bands)


def band_names(options: Options) -> tuple[str, ...]:
    """Bands of every image in its order: those that the study says, or all of the sensor's."""
    return tuple(options.get("bands") or SENSORS[options["sensor"]].bands)


def open_index(options: Options) -> Index:
    """The chips that options describe; a process looks at a data set once.

    Raises:
        SourceError: there are none, or something about them cannot be read.
    """
    return _index(json.dumps(dict(options), sort_keys=True))


@functools.lru_cache(maxsize=8)
def _index(text: str) -> Index:
    options = json.loads(text)
    path = Path(options["path"])
    root = path if path.is_dir() else path.parent
    files = walk(path) if path.is_dir() else _one(path)
    chips = _with_splits(_find(root, files, options), options, root)
    twice = [name for name, count in Counter(chip.id for chip in chips).items() if count > 1]
    if twice:
        raise SourceError(
            f"chips: {len(twice)} ids are there twice under {path}, such as {twice[0]!r}"
        )
    by_id = {chip.id: chip for chip in sorted(chips, key=lambda chip: chip.id)}
    return Index(root, by_id, options["columns"], band_names(options))


def _one(path: Path) -> list[File]:
    try:
        return [File.of(path.name, path.stat())]
    except OSError as error:
        raise SourceError(f"chips: {path}: {error.strerror}") from error


def _find(root: Path, files: list[File], options: Options) -> list[Chip]:
    """Chips of the first form of which there are any files."""
    # Parquet, HDF5 and images are slow to import, and planning asks for one of them at most.
    if options.get("table"):
        from rsweep.sources.chips.folder import chips_of_table

        table = root / options["table"]
        table = table if table.is_file() else Path(options["table"])
        return chips_of_table(table, root, files, options["columns"])
    for suffixes, chips_of in FORMS.items():
        held = [file for file in files if file.path.lower().endswith(suffixes)]
        if held:
            return chips_of(root, held, options["columns"])
    example = f", such as {files[0].path}" if files else ""
    raise SourceError(
        f"chips: none of the {len(files)} files under {root} is an image or holds "
        f"images{example}; expected one of "
        f"{', '.join(s for group in FORMS for s in group)}"
    )


def _images(root: Path, files: list[File], columns: Mapping[str, Any]) -> list[Chip]:
    from rsweep.sources.chips.folder import chips_of_folder

    return chips_of_folder(files)


def _tars(root: Path, files: list[File], columns: Mapping[str, Any]) -> list[Chip]:
    from rsweep.sources.chips.webdataset import chips_of_tar

    return [chip for file in files for chip in chips_of_tar(root, file, columns)]


def _parquets(root: Path, files: list[File], columns: Mapping[str, Any]) -> list[Chip]:
    from rsweep.sources.chips.hub import chips_of_parquet

    return [chip for file in files for chip in chips_of_parquet(root, file, columns)]


def _arrays(root: Path, files: list[File], columns: Mapping[str, Any]) -> list[Chip]:
    from rsweep.sources.chips.arrays import chips_of_arrays

    return [chip for file in files for chip in chips_of_arrays(root, file, columns)]


FORMS = {
    (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".jp2"): _images,
    (".tar",): _tars,
    (".parquet",): _parquets,
    (".npz", ".h5", ".hdf5"): _arrays,
}
"""Suffixes of files -> what finds chips in them."""


def _with_splits(chips: list[Chip], options: Options, root: Path) -> list[Chip]:
    """Chips with the splits that lists say, which win over what the data set itself says."""
    if not options.get("splits"):
        return chips
    listed = listed_splits(options["splits"], root)
    names = {chip.id: PurePosixPath(chip.id).name for chip in chips}
    unknown = sorted(set(listed) - set(names.values()))
    if unknown:
        raise SourceError(
            f"chips: {len(unknown)} of {len(listed)} names in the lists of splits "
            f"are no chips under {root}, such as {unknown[0]!r}"
        )
    return [
        replace(chip, says={**chip.says, "split": listed[names[chip.id]]})
        if names[chip.id] in listed
        else chip
        for chip in chips
    ]
