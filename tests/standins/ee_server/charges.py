"""What the stand-in charges for a computation: by its graph and pixels, which no client is told.

The real service's prices are not published. These are built otherwise than rsweep's model of cost
(by nodes of the graph and images loaded, with a scatter), so that the two can disagree.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Prices:
    """EECU-seconds of a computation.

    Attributes:
        request: of any.
        node: of a node of the graph.
        megapixel_image: of a million pixels of a band that is sent or of an image that is loaded.
        scatter: largest share by which a charge is off, either way; it depends on the request.
    """

    request: float = 0.3
    node: float = 0.001
    megapixel_image: float = 0.4
    scatter: float = 0.1

    def of(self, body: dict[str, Any]) -> float:
        text = json.dumps(body, sort_keys=True)
        nodes, images = text.count("functionName"), text.count('"Image.load"')
        size = body.get("grid", {}).get("dimensions", {"width": 0, "height": 0})
        megapixels = size["width"] * size["height"] / 1e6
        bands = images + len(body.get("bandIds", []))
        cost = self.request + self.node * nodes + self.megapixel_image * megapixels * bands
        number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") / 2**32
        return cost * (1 + self.scatter * (2 * number - 1))


def profile_text(cost: float) -> str:
    """A profile in the form of the service's documentation, its cost in two rows."""
    rows = "".join(
        f"{part:12.9f}     96k      1  {what}\n"
        for part, what in ((cost / 4, "Image.load"), (3 * cost / 4, "(plumbing)"))
    )
    return f"EECU·s       PeakMem  Count  Description\n{rows}"


def asked_profiles(expression: dict[str, Any]) -> list[str]:
    """Names of the profiles that an expression looks up; none where it does something else."""
    text = json.dumps(expression)
    if "Profile.getProfiles" not in text:
        return []
    return [word for word in text.split('"') if word.startswith("profile-")]
