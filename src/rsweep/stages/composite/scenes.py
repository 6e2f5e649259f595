"""The scenes of one ROI as fetched: values, clouds, and which of them are clear, by blocks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from rasterio import Affine
from rasterio.features import geometry_mask
from scipy.ndimage import distance_transform_edt
from shapely import wkt

from rsweep.core.errors import RoiError
from rsweep.core.grid import Grid
from rsweep.core.records import MaskRecord, SceneRecord
from rsweep.core.sensors import Sensor
from rsweep.sources.protocol import stored_as
from rsweep.stages.composite.frames import cloud_share
from rsweep.stages.composite.rules import chosen_rule, clear_pixels, known_pixels
from rsweep.stages.fetch.format import StoredScenes

BLOCK_BYTES = 32 << 20
"""Size of one block of scenes in memory as float32; the reducers need about four of these."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Scenes:
    """The scenes of one ROI.

    Attributes:
        stored: their raw values and quality layers.
        listed: what the fetch says of each.
        sensor: what their values are.
        rules: cloud rules that may be applied, by name.
        own: the ROI's own pixels [H, W]; None: all.
        dilation: pixels around a cloud that count as cloud too.
    """

    stored: StoredScenes
    listed: Sequence[SceneRecord]
    sensor: Sensor
    rules: Mapping[str, MaskRecord] = field(default_factory=dict)
    own: Mask | None = None
    dilation: int = 0

    @property
    def mask(self) -> str:
        """Name of the rule that is applied; "none" where every pixel counts as clear.

        Raises:
            RoiError: the scenes lack the layer of every rule.
        """
        if not self.sensor.sees_clouds:
            return "none"
        quality = list(self.stored.quality)
        try:
            return chosen_rule(self.rules, quality) if self.rules else "none"
        except KeyError as error:
            raise RoiError(
                f"cloud_mask needs the layer {error.args[0]}; its scenes have "
                f"{', '.join(quality) or 'none'}"
            ) from None

    def block(
        self, chosen: Sequence[int], bands: slice, rows: slice, clear: Mask | None
    ) -> NDArray[np.float32]:
        """Values [S, C, rows, W] in the sensor's unit, NaN where missing or not `clear`."""
        raw = np.stack([self.stored.bands[i, bands, rows] for i in chosen])
        values = raw.astype(np.float32)
        for layer, scene in zip(values, (self.listed[i] for i in chosen), strict=True):
            if (scene["gain"], scene["offset"]) != (1.0, 0.0):
                layer *= np.float32(scene["gain"])
                layer += np.float32(scene["offset"])
        for layer, own, i in zip(values, raw, chosen, strict=True):
            _, nodata = stored_as(self.listed[i].get("properties", {}), self.sensor)
            layer[(own == nodata) | ~np.isfinite(layer)] = np.nan
        if clear is not None:
            values[np.broadcast_to(~clear[:, None], values.shape)] = np.nan
        return values

    def clear(self, chosen: Sequence[int], rows: slice) -> Mask | None:
        """Clear pixels [S, rows, W], or None if all are."""
        if self.mask == "none":
            return None
        rule, around = self.rules[self.mask], self.dilation
        top, bottom = max(rows.start - around, 0), min(rows.stop + around, self.shape[0])
        layer = self.stored.quality[rule["layer"]]
        clear = []
        for i in chosen:  # a cloud just outside the rows reaches into them
            values = layer[i, top:bottom]
            good = clear_pixels(rule, values)
            cloud = known_pixels(rule, values) & ~good
            seen = good & ~dilated(cloud, around)
            clear.append(seen[rows.start - top : rows.stop - top])
        return np.stack(clear)

    def with_cloud_shares(self) -> list[SceneRecord]:
        """`listed` with `roi_cloud_pct`: cloud among the ROI's own pixels that the mask knows."""
        if self.mask == "none":
            return list(self.listed)
        return [
            {**scene, "roi_cloud_pct": self._own_cloud_pct(i)}
            for i, scene in enumerate(self.listed)
        ]

    def _own_cloud_pct(self, index: int) -> float | None:
        rule = self.rules[self.mask]
        values = self.stored.quality[rule["layer"]][index]
        known = known_pixels(rule, values) & self._own()
        if not known.any():
            return None
        clear = clear_pixels(rule, values) & known
        return round(100 * (1 - float(clear.sum() / known.sum())), 4)

    def clear_share(self, index: int) -> float:
        """Share of the ROI's own pixels that a scene has in every band, clear.

        Without a mask, the share that it has, less the provider's cloud share of the whole scene.
        """
        own, seen = self._own(), 0
        for rows in self.strips(1):
            values = self.block([index], slice(None), rows, self.clear([index], rows))
            seen += int((np.isfinite(values[0]).all(axis=0) & own[rows]).sum())
        cloud = cloud_share(self.listed[index]) if self.mask == "none" else None
        return float(seen / own.sum()) * (1 - (cloud or 0.0) / 100)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the grid."""
        _, _, height, width = self.stored.bands.shape
        return height, width

    def _own(self) -> Mask:
        return np.ones(self.shape, bool) if self.own is None else self.own

    def strips(self, scenes: int) -> Iterator[slice]:
        """Rows to read at once, so that one band of so many scenes fits a block."""
        height, width = self.shape
        stored, fit = self.stored.bands.chunks[2], BLOCK_BYTES // (4 * scenes * width)
        # Whole chunks where they fit; else part of one, which is then read several times.
        step = max(fit // stored * stored if fit >= stored else fit, 1)
        for top in range(0, height, step):
            yield slice(top, min(top + step, height))

    def band_steps(self, scenes: int, rows: slice) -> Iterator[slice]:
        """Bands to read at once, as many as fit a block beside those rows."""
        _, bands, _, width = self.stored.bands.shape
        step = max(BLOCK_BYTES // (4 * scenes * (rows.stop - rows.start) * width), 1)
        for first in range(0, bands, step):
            yield slice(first, min(first + step, bands))


def dilated(cloud: Mask, pixels: int) -> Mask:
    """A mask [H, W] and what lies within a distance of it, centre to centre."""
    if not pixels or not cloud.any():
        return cloud
    near: Mask = distance_transform_edt(~cloud) <= pixels
    return near


def own_pixels(grid: Grid, polygon_wkt: str) -> Mask:
    """Pixels [H, W] of a grid that a ROI's polygon touches."""
    shape, transform = (grid.height, grid.width), Affine(*grid.transform)
    inside: Mask = geometry_mask(
        [wkt.loads(polygon_wkt)], shape, transform, all_touched=True, invert=True
    )
    return inside if inside.any() else np.ones(shape, bool)
