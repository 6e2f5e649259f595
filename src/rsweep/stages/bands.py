"""The bands that a model is fed under the settings of a profile."""

from __future__ import annotations

from rsweep.core.sensors import SENSORS
from rsweep.core.settings import ProfileSettings
from rsweep.models.card import ModelCard


def sensor_bands(settings: ProfileSettings, card: ModelCard) -> dict[str, list[str]]:
    """Sensor -> the bands that the model is fed, in order."""
    asked = settings["bands"]
    found = {}
    for needed in card.modalities[settings["modality"]]:
        own = [b for b in asked or () if b in SENSORS[needed.sensor].bands]
        found[needed.sensor] = own or list(needed.bands)
    return found
