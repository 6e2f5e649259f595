"""One small data set in every form that the provider `chips` reads."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

SIDE = 12
LABELS = ("forest", "water", "forest", "town", "water")
SPLITS = ("train", "train", "validation", "test", "test")
COUNT = len(LABELS)
IMAGES = np.random.default_rng(0).integers(0, 256, (COUNT, SIDE, SIDE, 3), dtype=np.uint8)
IMAGES[0, 0] = 0  # black, which is a value and not a missing one
RGB = ["B4", "B3", "B2"]


def png(image: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image).save(out, "PNG")
    return out.getvalue()


def folder_of_classes(root: Path) -> dict[str, object]:
    """train/forest/c0.png, …"""
    for i, (label, split) in enumerate(zip(LABELS, SPLITS, strict=True)):
        path = root / ("val" if split == "validation" else split) / label / f"c{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(IMAGES[i]))
    return {"path": str(root)}


def table_of_files(root: Path) -> dict[str, object]:
    lines = ["file_name,class,subset"]
    for i, (label, split) in enumerate(zip(LABELS, SPLITS, strict=True)):
        (root / f"c{i}.png").write_bytes(png(IMAGES[i]))
        lines.append(f"c{i}.png,{label},{split}")
    (root / "all.csv").write_text("\n".join(lines))
    return {"path": str(root), "table": "all.csv", "columns": {"split": "subset"}}


def npz(root: Path) -> dict[str, object]:
    path = root / "set.npz"
    np.savez(
        path,
        images=IMAGES,
        labels=np.array(LABELS),
        split=np.array(SPLITS),
        id=np.array([f"c{i}" for i in range(COUNT)]),
    )
    return {"path": str(path)}


def hdf5(root: Path) -> dict[str, object]:
    path = root / "set.h5"
    with h5py.File(path, "w") as file:
        file["sen2"] = IMAGES.transpose(0, 3, 1, 2)
        file["label"], file["split"] = list(LABELS), list(SPLITS)
        file["id"] = [f"c{i}" for i in range(COUNT)]
    return {"path": str(path), "columns": {"image": "sen2"}}


def tars(root: Path) -> dict[str, object]:
    """WebDataset: one archive a split, labels as .cls, and as JSON for one."""
    for split in dict.fromkeys(SPLITS):
        with tarfile.open(root / f"{split}-000.tar", "w") as archive:
            for i in (i for i in range(COUNT) if SPLITS[i] == split):
                _add(archive, f"c{i}.png", png(IMAGES[i]))
                if i == 2:
                    _add(archive, f"c{i}.json", json.dumps({"label": LABELS[i]}).encode())
                else:
                    _add(archive, f"c{i}.cls", LABELS[i].encode())
    return {"path": str(root)}


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))


def hub_parquet(root: Path) -> dict[str, object]:
    """As the hub writes it: {bytes, path}, a number for the label, names in the footer."""
    names = sorted(set(LABELS))
    about = {
        "info": {
            "features": {
                "image": {"_type": "Image"},
                "label": {"names": names, "_type": "ClassLabel"},
            }
        }
    }
    for split in dict.fromkeys(SPLITS):
        rows = [i for i in range(COUNT) if SPLITS[i] == split]
        table = pa.table(
            {
                "id": [f"c{i}" for i in rows],
                "image": [{"bytes": png(IMAGES[i]), "path": f"c{i}.png"} for i in rows],
                "label": [names.index(LABELS[i]) for i in rows],
            }
        )
        table = table.replace_schema_metadata({"huggingface": json.dumps(about)})
        path = root / "data" / f"{split}-00000-of-00001.parquet"
        path.parent.mkdir(exist_ok=True)
        pq.write_table(table, path, row_group_size=1)
    return {"path": str(root)}


FORMS: dict[str, Callable[[Path], dict[str, object]]] = {
    "folders": folder_of_classes,
    "table": table_of_files,
    "npz": npz,
    "hdf5": hdf5,
    "tar": tars,
    "parquet": hub_parquet,
}
