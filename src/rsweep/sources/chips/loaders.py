"""Data sets that a package reads: its own loader's images and labels, written as arrays once.

`torchgeo.datasets` and the hub's `datasets` know how many published data sets are laid out. What
they give is written as one HDF5 file per split, value for value, and read like any other arrays.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from rsweep.core.errors import SourceError
from rsweep.core.files import replacing, replacing_folder

Samples = Iterable[tuple[Any, Any]]
"""An image [C, H, W] or [H, W, C] with its label, one after the other."""
SPLITS = ("train", "val", "test")


def load(loader: Mapping[str, Any], path: Path) -> None:
    """Write a data set as `path`/<split>.h5, unless `path` is there.

    Args:
        loader: `{torchgeo: CLASS, root: FOLDER}` or `{datasets: NAME, revision: COMMIT}`, each with
            `splits` (all that there are) and further `arguments` of the class or of `load_dataset`.
        path: folder to make.

    Raises:
        SourceError: the package is not installed, has no such data set, or cannot read it; or its
            images are not of one shape.
    """
    if path.exists():
        return
    splits = _torchgeo(loader) if "torchgeo" in loader else _hub(loader)
    with replacing_folder(path) as folder:
        for split, (samples, classes) in splits.items():
            write_split(folder / f"{split}.h5", samples, classes)


def write_split(path: Path, samples: Samples, classes: Sequence[str]) -> None:
    """Write images and labels; a label that is a number of a class becomes the class's name.

    Raises:
        SourceError: there are none, or images differ in shape.
    """
    labels: list[str] = []
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        for image, label in samples:
            values = np.asarray(image)
            if "image" not in file:
                file.create_dataset(
                    "image",
                    (0, *values.shape),
                    values.dtype,
                    maxshape=(None, *values.shape),
                    chunks=(1, *values.shape),
                    compression="gzip",
                    compression_opts=1,
                )
            images = file["image"]
            if values.shape != images.shape[1:]:
                raise SourceError(
                    f"chips: image {len(images)} of {path.stem} is of {values.shape}, the first "
                    f"of {images.shape[1:]}; a loader's images have one shape"
                )
            images.resize(len(images) + 1, axis=0)
            images[-1] = values
            labels.append(_named(label, classes))
        if not labels:
            raise SourceError(f"chips: the loader gives no image of {path.stem}")
        file["label"] = np.array(labels, h5py.string_dtype())


def _named(label: Any, classes: Sequence[str]) -> str:
    value = np.asarray(label)
    if value.size != 1:
        return ""  # several labels, or a mask: none that a column of a table could hold
    (only,) = value.ravel().tolist()
    return str(classes[only]) if classes and isinstance(only, int) else str(only)


def _torchgeo(loader: Mapping[str, Any]) -> dict[str, tuple[Samples, Sequence[str]]]:
    made = _attribute("torchgeo.datasets", str(loader["torchgeo"]))
    arguments = {"root": loader["root"], **loader.get("arguments", {})}
    if "split" not in inspect.signature(made).parameters:
        return {"all": _items(_called(made, arguments))}
    splits = loader.get("splits") or SPLITS
    return {split: _items(_called(made, {**arguments, "split": split})) for split in splits}


def _items(found: Any) -> tuple[Samples, Sequence[str]]:
    rows = (found[row] for row in range(len(found)))
    return ((row["image"], row.get("label", ())) for row in rows), getattr(found, "classes", ())


def _hub(loader: Mapping[str, Any]) -> dict[str, tuple[Samples, Sequence[str]]]:
    arguments = {"revision": loader.get("revision"), **loader.get("arguments", {})}
    read = _attribute("datasets", "load_dataset")
    found = _called(read, {"path": loader["datasets"], **arguments})
    splits = loader.get("splits") or list(found)
    return {split: (_rows(found[split]), _classes(found[split])) for split in splits}


def _rows(split: Any) -> Iterator[tuple[Any, Any]]:
    for row in split:
        yield row["image"], row.get("label", ())


def _classes(split: Any) -> Sequence[str]:
    return getattr(split.features.get("label"), "names", None) or ()


def _attribute(package: str, name: str) -> Callable[..., Any]:
    try:
        module = importlib.import_module(package)
    except ImportError as error:
        raise SourceError(
            f"chips: loader needs {package.split('.')[0]} ({error}): pip install 'rsweep[recipes]'"
        ) from error
    found = getattr(module, name, None)
    if not callable(found):
        raise SourceError(f"chips: {package} has no data set {name!r}")
    return found  # type: ignore[no-any-return]


def _called(made: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    """What a package gives; whatever it raises is an error of the data set, with its own words."""
    try:
        return made(**arguments)
    except Exception as error:
        name = getattr(made, "__name__", "loader")
        raise SourceError(f"chips: {name}({arguments}) failed: {error}") from error
