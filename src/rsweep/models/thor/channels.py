"""THOR's channels and the groups that share a token map: data, without torch.

The network is always built with every group, because a group's index is what tells the blocks
which bands a token stands for: Sentinel-1 is group 3 even where no other group is present.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Group:
    """Channels whose tokens are averaged into one token map.

    Attributes:
        index: position in THOR's list of groups.
        name: name of the token map.
        gsd_m: nominal metres per pixel of its channels.
        channels: names of its patch embeddings, as in the published state dict.
    """

    index: int
    name: str
    gsd_m: int
    channels: tuple[str, ...]

    @property
    def pixel_ratio(self) -> int:
        """Pixels of a 10 m channel per pixel of this group, per side."""
        return self.gsd_m // FINEST_GSD_M


FINEST_GSD_M = 10

_S3_OLCI = [f"S3:Oa{number:02d}_reflectance" for number in range(1, 22)]

GROUPS = (
    Group(0, "10m", 10, ("S2:Red", "S2:Green", "S2:Blue", "S2:NIR")),
    Group(1, "20m", 20, ("S2:RE1", "S2:RE2", "S2:RE3", "S2:RE4", "S2:SWIR1", "S2:SWIR2")),
    Group(2, "60m", 60, ("S2:CoastAerosal", "S2:WaterVapor")),
    Group(3, "s1-10m", 10, ("S1:VV", "S1:VH")),
    Group(4, "s1-h-10m", 10, ("S1:HV", "S1:HH")),
    Group(5, "olci-1-240m", 240, tuple(_S3_OLCI[:7])),
    Group(6, "olci-2-240m", 240, tuple(_S3_OLCI[7:14])),
    Group(7, "olci-3-240m", 240, tuple(_S3_OLCI[14:])),
    Group(8, "slstr-480m", 480, tuple(f"S3:S{number}_reflectance_an" for number in range(1, 7))),
    Group(9, "slstr-960m", 960, tuple(f"S3:S{number}_BT_in" for number in range(7, 10))),
)
"""Groups and channel names of the THOR 1.0 checkpoints, in their order."""

BAND_CHANNELS = {
    "s2": {
        "B1": "S2:CoastAerosal",
        "B2": "S2:Blue",
        "B3": "S2:Green",
        "B4": "S2:Red",
        "B5": "S2:RE1",
        "B6": "S2:RE2",
        "B7": "S2:RE3",
        "B8": "S2:NIR",
        "B8A": "S2:RE4",
        "B9": "S2:WaterVapor",
        "B11": "S2:SWIR1",
        "B12": "S2:SWIR2",
    },
    "s1": {"VV": "S1:IW-VV", "VH": "S1:IW-VH"},
}
"""Channel of a sensor's band. Upstream has no channel for B10."""


def embedding_name(channel: str) -> str:
    """The patch embedding of a channel: Sentinel-1 modes (IW, EW) share one per polarisation."""
    sensor, _, name = channel.partition(":")
    return f"S1:{name.rpartition('-')[2]}" if sensor == "S1" else channel


def present(channels: Iterable[str]) -> tuple[tuple[Group, tuple[str, ...]], ...]:
    """The groups that have any of the channels, each with its channels, in the order of groups."""
    given = tuple(channels)
    members = (
        (group, tuple(c for c in given if embedding_name(c) in group.channels)) for group in GROUPS
    )
    return tuple((group, names) for group, names in members if names)
