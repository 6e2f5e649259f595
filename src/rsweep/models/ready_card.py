"""The card of an annual embedding that others have computed: its bands are its dimensions."""

from __future__ import annotations

from rsweep.core.sensors import SENSORS
from rsweep.models.card import ModelCard, Normalization, SensorInput, TokenGroup, Variant

AS_IS = "none: the values are the embedding"


def ready_card(
    sensor: str, *, title: str, paper: str, licence_weights: str, pretraining: str, notes: str
) -> ModelCard:
    """A card named as the sensor that it reads; nothing is learned, loaded or normalised.

    Args:
        sensor: its name in `SENSORS`.
        title, paper, licence_weights, pretraining, notes: as in every card.
    """
    bands = tuple(SENSORS[sensor].bands)
    as_is = Normalization(dict.fromkeys(bands, (0.0, 1.0)), AS_IS)
    return ModelCard(
        id=sensor,
        title=title,
        paper=paper,
        modalities={"annual": (SensorInput(sensor, bands, bands_free=True),)},
        normalizations={"as_is": {sensor: as_is}},
        variants={"v1": Variant(len(bands), 1, 0, 0.0)},
        defaults={"image_size": 64, "patch_size": 1, "scale_m": 10},
        groups=lambda s: (TokenGroup("pixels", s["patch_size"]),),
        own_layers=lambda s: ("embedding",),
        allowed={"precision": ("fp32",), "compile": (False,)},
        weights=("none",),
        licence_code="Apache-2.0 (rsweep)",
        licence_weights=licence_weights,
        pretraining=pretraining,
        notes=notes,
    )
