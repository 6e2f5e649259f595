"""What a model card says: everything about a model that can be known without torch.

A card is data. Planning, validation, keys, `rsweep describe` and the docs read it; the network
beside it (`models/<family>/network.py`) is imported in an inference job alone. A value that a card
supplies enters the key of a stage as the value, so editing a card invalidates what it should.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from rsweep.core.knobs import Knob
from rsweep.core.settings import ProfileSettings
from rsweep.models.envelope import Envelope


@dataclass(frozen=True)
class SensorInput:
    """What a network reads of one sensor.

    Attributes:
        sensor: "s2" (reflectance x 10000), "s1" (backscatter in dB), …: see `core/sensors.py`.
        bands: default band names in the order that the network reads them.
        bands_free: True if the study's `bands` may be any list of the sensor's bands.
    """

    sensor: str
    bands: tuple[str, ...]
    bands_free: bool = False


@dataclass(frozen=True)
class Normalization:
    """How raw values of one sensor become what a network was trained on.

    `y = (g(clip(x)) - mean) / std` with `g(v) = gain * v`, floored to an integer if `truncate`
    (the published pipelines that go through uint8 before). With `eight_bit` y is then clipped to
    0..1 and rounded down to whole 255ths (those that do after). `kind="tile_zscore"` standardises
    each tile and band by its own valid pixels, for comparison with libraries that do.

    Attributes:
        stats: band -> (mean, std), in the units after gain; a band without an entry is refused.
        clip: range of raw values kept, before the gain.
        white: band -> raw value that an 8-bit image shows as 255, 0 being 0; values are then such
            integers, and `clip`, `gain` and `truncate` say nothing.
        center: band -> value in the units after gain that a missing pixel is given before
            normalisation; the mean where absent.
        source: where the constants were published.
    """

    stats: Mapping[str, tuple[float, float]]
    source: str
    clip: tuple[float, float] | None = None
    gain: float = 1.0
    truncate: bool = False
    eight_bit: bool = False
    white: Mapping[str, float] = field(default_factory=dict)
    kind: Literal["affine", "tile_zscore"] = "affine"
    center: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Checkpoint:
    """Where published weights live: a repository on the hub, its revision and file; or a URL."""

    repository: str
    file: str
    revision: str = "main"
    sha256: str | None = None
    url: str | None = None


@dataclass(frozen=True)
class Variant:
    """One size of a model: width of a token, depth, heads, parameters in millions, weights."""

    width: int
    depth: int
    heads: int
    parameters_m: float
    checkpoint: Checkpoint | None = None


@dataclass(frozen=True)
class TokenGroup:
    """One token map of a network: its name, and the input pixels that one token covers per side."""

    name: str
    patch_px: int


@dataclass(frozen=True)
class ModelCard:
    """A model, as far as it can be described without torch.

    Attributes:
        id: what a study calls it.
        modalities: name -> the sensors read together; the first is the default.
        normalizations: name -> sensor -> constants; the first is the default and is upstream's.
        variants: name -> size; the first is the default.
        defaults: values of shared knobs when the study sets none (image_size, patch_size, frames,
            scale_m, pooling, resample, …).
        allowed: values of shared knobs that this model takes, where it takes only some.
        knobs: knobs that only this model has.
        groups: token maps for given settings, in the order that the network returns them.
        check: everything wrong with a combination of settings, as (knob, message).
        vectors: names of the vectors per tile that the network gives beside its tokens: "cls" (its
            class token), "model" (its own pooled output where that is not a mean of tokens).
        own_layers: names of the intermediate outputs, first to last, for given settings, where
            these are not those of its blocks.
        frames_range: least and most frames per tile; (1, 1) for a single-date network.
        side_inputs: what else the network reads: "day_of_year", "month", "year", "lonlat", "gsd",
            "wavelengths", "orbit", "valid".
        version: of the network's code; raised when its output changes for the same settings. It
            enters the inference key from 2 on. A test holds golden outputs.
        constants: values that the network reads beside pixels (wavelengths by band, …), for given
            settings; they enter the inference key.
        envelope: what it was trained on, as data; a profile that leaves it is marked. In no key.
    """

    id: str
    title: str
    paper: str
    modalities: Mapping[str, tuple[SensorInput, ...]]
    normalizations: Mapping[str, Mapping[str, Normalization]]
    variants: Mapping[str, Variant]
    defaults: Mapping[str, Any]
    groups: Callable[[ProfileSettings], tuple[TokenGroup, ...]]
    licence_code: str
    licence_weights: str
    pretraining: str
    allowed: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    knobs: tuple[Knob, ...] = ()
    check: Callable[[ProfileSettings], list[tuple[str, str]]] = lambda settings: []
    vectors: tuple[str, ...] = ()
    frames_range: tuple[int, int] = (1, 1)
    side_inputs: tuple[str, ...] = ()
    constants: Callable[[ProfileSettings], dict[str, Any]] = lambda settings: {}
    weights: tuple[str, ...] = ("pretrained", "random")
    envelope: Envelope = field(default_factory=Envelope)
    version: int = 1
    notes: str = ""
    own_layers: Callable[[ProfileSettings], tuple[str, ...]] | None = None

    def layers(self, settings: ProfileSettings) -> tuple[str, ...]:
        """Names of the intermediate outputs, first to last: the numbers of blocks, or its own."""
        if self.own_layers:
            return self.own_layers(settings)
        return tuple(str(n + 1) for n in range(self.variants[settings["variant"]].depth))


def multiple_of(name: str, value: int, step: int, step_name: str) -> list[tuple[str, str]]:
    """The problem with a size that is not a multiple of a step, with the nearest sizes that are."""
    if value % step == 0:
        return []
    below = max(step, value // step * step)
    return [
        (
            name,
            f"is {value}, which is not a multiple of {step_name} ({step}); "
            f"nearest: {below}, {value // step * step + step}",
        )
    ]
