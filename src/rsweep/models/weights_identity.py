"""Which weights a setting means, for the inference key; nothing is fetched and torch not needed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from rsweep.core.digests import known_sha256
from rsweep.core.settings import ProfileSettings
from rsweep.models.card import ModelCard

URL = re.compile(r"https?://", re.IGNORECASE)
SHA256 = re.compile(r"[0-9a-f]{64}", re.IGNORECASE)


def weights_identity(settings: ProfileSettings, card: ModelCard) -> dict[str, Any]:
    """What the inference key says of the weights: a digest, or repository, revision and file.

    Raises:
        ValueError: the weights cannot be those of this model; the text says what would be right.
    """
    weights = settings["weights"]
    if weights == "none":
        return {"weights": "none"}
    if weights == "random":
        return {"weights": "random", "seed": settings["seed"]}
    if weights == "pretrained":
        return _published(settings, card)
    if URL.match(weights):
        return _from_url(settings)
    path = Path(weights)
    if not path.is_file():
        options = ", ".join(card.weights)
        raise ValueError(f"is {weights!r}, which is no file; allowed: {options}, a file, or a URL")
    return {"sha256": known_sha256(path)}


def _published(settings: ProfileSettings, card: ModelCard) -> dict[str, Any]:
    checkpoint = card.variants[settings["variant"]].checkpoint
    expected = settings["weights_sha256"]
    if expected and not SHA256.fullmatch(expected):
        raise ValueError(f"are pinned by weights_sha256 to {expected!r}; it is 64 hex digits")
    if checkpoint is None:
        raise ValueError(
            f"is 'pretrained', but {card.id} {settings['variant']} has no published weights; "
            f"allowed: {', '.join(card.weights)}, a file, or a URL"
        )
    if content := expected or checkpoint.sha256:
        return {"sha256": content.lower()}
    if checkpoint.url:
        return {"url": checkpoint.url}
    return {
        "repository": checkpoint.repository,
        "revision": checkpoint.revision,
        "file": checkpoint.file,
    }


def _from_url(settings: ProfileSettings) -> dict[str, Any]:
    expected = settings["weights_sha256"]
    if not expected or not SHA256.fullmatch(expected):
        raise ValueError(
            f"is a URL, so weights_sha256 must be the file's sha256 in 64 hex digits; "
            f"it is {expected!r}"
        )
    return {"sha256": expected.lower()}
