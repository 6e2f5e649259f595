"""Settings that a model's code is given: those of a profile, and those of an inference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, cast

if TYPE_CHECKING:
    from rsweep.core.places import Places


class Temporal(TypedDict):
    """A window: ISO dates, `end` exclusive."""

    start: str
    end: str


class OwnKnobs(TypedDict, total=False):
    """Knobs that single families have beside the shared ones; their cards say what they mean."""

    bias: float
    dimensions: int
    features: Any
    hour: str
    kernel_size: int
    branch: str
    metadata: bool
    patch_m: int
    told: bool


class ProfileSettings(OwnKnobs, total=False):
    """Every knob of a profile: what a card's functions are given, before any of it is run.

    `bands` are names of the model's sensors in order, or None for the card's; `constants` are
    names for `normalization` that the study adds. `context_m` and `least_side_m` are numbers once
    they are settled for the study. `places` are the study's ROIs as a whole, where keys are made.
    The section of the provider is there under its name: see `provider_options`.
    """

    provider: str
    collection: Sequence[str] | None
    temporal: Temporal | None
    scale_m: float
    context_m: float
    least_side_m: float
    fetch_bands: str
    orbit: str
    fetch_cloudy_pct: float
    fetch_granularity: str
    composite: str
    cloudy_pct: float
    cloud_mask: str
    mask_threshold: float | None
    mask_dilation: int
    frames: Any
    frame_policy: str
    empty_frame: str
    modality: str
    bands: Sequence[str] | None
    normalization: str
    constants: Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]]
    input_prep: str
    native_max_px: int
    native_max_tokens: int
    native_above: str
    image_size: int
    tile_size: int | None
    tile_overlap: int
    max_tiles: int
    lattice: str
    resample: str
    edge: str
    model: str
    variant: str
    weights: str
    weights_sha256: str | None
    seed: int
    patch_size: int
    layer: str
    final_norm: bool
    precision: str
    compile: bool
    output: str
    pooling: str
    group_merge: str
    blend: str
    storage_dtype: str
    places: Places


class NetworkSettings(OwnKnobs, total=False):
    """Settings of an inference node: what a network is built from.

    `bands` are those of each sensor in order, `constants` what the card says that the network
    reads beside pixels. Weights are identified by `sha256` where that is known, else by the address
    or the repository's file; `weights` is there of random or no weights.
    """

    model: str
    variant: str
    model_version: int
    weights: str
    sha256: str
    url: str
    repository: str
    revision: str
    file: str
    seed: int
    bands: Mapping[str, Sequence[str]]
    image_size: int
    patch_size: int
    layer: str
    final_norm: bool
    precision: str
    compile: bool
    constants: Mapping[str, Any]


def by_name(settings: ProfileSettings | NetworkSettings) -> Mapping[str, object]:
    """Settings for who reads them by names that are data: a card's knobs, columns of a table."""
    return settings


def with_knob(settings: ProfileSettings, name: str, value: Any) -> ProfileSettings:
    """Settings with another value of a knob whose name is data."""
    return cast(ProfileSettings, {**settings, name: value})


def provider_options(settings: ProfileSettings) -> Mapping[str, Any]:
    """The section of a profile's provider, as the study has it."""
    return cast(Mapping[str, Any], by_name(settings)[settings["provider"]])
