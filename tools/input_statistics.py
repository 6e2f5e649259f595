"""Mean and deviation of every model's normalised input on real scenes, for docs/inputs.md.

    python tools/input_statistics.py DATA           # all models
    python tools/input_statistics.py DATA --bands   # median of each band over the clear scenes

DATA is a folder with BigEarthNet patches (`bigearthnet`), eo-learn's Slovenian scenes
(`eolearn_slovenia`) and WorldCereal's monthly composites (`worldcereal`). An input that fits its
constants has a mean near 0 and a deviation near 1; the training sets hold clouds, snow and desert,
so clear scenes of fields and forest lie below 0 where reflectance is what is read.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path

import h5py
import numpy as np
import rasterio
from numpy.typing import NDArray

from rsweep.models.card import ModelCard, SensorInput
from rsweep.models.registry import families, find_card
from rsweep.plan.profiles import resolve
from rsweep.stages.prep.normalize import normalize
from rsweep.stages.prep.spec import resolved_normalization

Scene = dict[str, NDArray[np.float32]]
"""Band -> values [H, W] in the sensor's unit, NaN where missing."""
PATCH_PX = 120
CLEAR = (0, 2, 3)
"""Of the Slovenian scenes, those without cloud."""
L1C = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B10", "B11", "B12")


def bigearthnet(data: Path, sensor: str) -> Iterator[Scene]:
    """Patches of 1.2 km: Sentinel-2 L2A or Sentinel-1 in dB."""
    first = {"s2": "B02", "s1": "VV"}.get(sensor, "none")
    for path in sorted(data.glob(f"bigearthnet/{sensor}/**/*_{first}.tif")):
        found = {}
        for band in path.parent.glob("*.tif"):
            name = band.stem.rpartition("_")[2]
            name = f"B{int(name[1:])}" if name[1:].isdigit() else name
            with rasterio.open(band) as file:
                found[name] = file.read(1, out_shape=(PATCH_PX, PATCH_PX)).astype(np.float32)
        yield found


def slovenia(data: Path, sensor: str) -> Iterator[Scene]:
    """Clear scenes of Sentinel-2 L1C, which a model of L2A may be fed too."""
    if sensor in ("s2", "s2_l1c"):
        scenes = np.load(data / "eolearn_slovenia/REFERENCE_SCENES.npy")
        for index in CLEAR:
            yield {band: scenes[index, ..., i] * 1e4 for i, band in enumerate(L1C)}


def worldcereal(data: Path, sensor: str) -> Iterator[Scene]:
    """Monthly composites of Belgian fields: Sentinel-2 L2A without B1, B8A and B9; Sentinel-1."""
    prefix = {"s2": "S2-L2A-", "s1": "S1-SIGMA0-"}.get(sensor)
    with h5py.File(data / "worldcereal/worldcereal_preprocessed_inputs.nc") as file:
        names = [name for name in file if prefix and name.startswith(prefix)]
        for month in range(12 if names else 0):
            scene = {
                _band(name): file[name][month].view(np.uint16).astype(np.float32) for name in names
            }
            for values in scene.values():
                values[values == 65535] = np.nan
                if sensor == "s1":
                    values[:] = 20 * np.log10(np.maximum(values, 1)) - 83
            if all(np.isfinite(values).any() for values in scene.values()):
                yield scene


def _band(name: str) -> str:
    last = name.rpartition("-")[2]
    return f"B{int(last[1:])}" if last[1:].isdigit() else last


SETS = {"BigEarthNet": bigearthnet, "Slovenia (L1C)": slovenia, "WorldCereal": worldcereal}


def rows(data: Path) -> Iterator[list[str]]:
    """A row per model, sensor and set of scenes: mean and deviation of its default input."""
    for family in families():
        card = find_card("timm:vit_tiny_patch16_224" if family == "timm" else family)
        for modality, needed in alone(card).items():
            settings, _ = resolve({"model": card.id, "modality": modality}, {})
            name = settings["normalization"]
            for title, scenes in SETS.items():
                found = list(scenes(data, needed.sensor))
                values = fed(card, needed.sensor, list(needed.bands), found, name)
                if values:
                    mean, std = (np.mean([f(v) for v in values]) for f in (np.mean, np.std))
                    yield [card.id, modality, title, f"{mean:+.2f}", f"{std:.2f}"]


def alone(card: ModelCard) -> dict[str, SensorInput]:
    """Modalities of one sensor whose scenes there are."""
    known = ("s2", "s1", "s2_l1c")
    return {
        name: needed[0]
        for name, needed in card.modalities.items()
        if len(needed) == 1 and needed[0].sensor in known
    }


def fed(
    card: ModelCard, sensor: str, bands: list[str], scenes: list[Scene], name: str
) -> list[NDArray[np.float32]]:
    """Normalised values of all scenes, by band; of bands that the card has constants for."""
    constants = card.normalizations[name].get(sensor)
    if constants is None or constants.kind != "affine":
        return []
    found = []
    for band in (b for b in bands if b in constants.stats and any(b in s for s in scenes)):
        values = np.concatenate([scene[band].ravel() for scene in scenes])
        values = values[np.isfinite(values)].reshape(1, 1, 1, -1)
        valid = np.ones_like(values[:, 0], bool)
        found.append(normalize(values, valid, resolved_normalization(constants, [band])))
    return found


def medians(data: Path) -> Mapping[str, float]:
    """Band -> median over the clear Sentinel-2 scenes of all sets, each scene counting the same."""
    found: dict[str, list[float]] = {}
    for scenes in SETS.values():
        for scene in scenes(data, "s2"):
            for band, values in scene.items():
                found.setdefault(band, []).append(float(np.nanmedian(values)))
    return {band: float(np.median(values)) for band, values in found.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--bands", action="store_true")
    given = parser.parse_args()
    if given.bands:
        for band, value in sorted(medians(given.data).items(), key=lambda item: L1C.index(item[0])):
            print(f"{band}: {value:.0f}")
        return
    print("| model | modality | scenes | mean | deviation |\n|---|---|---|---|---|")
    for row in rows(given.data):
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
