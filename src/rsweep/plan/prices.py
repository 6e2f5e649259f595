"""What is used, in money: by the prices of a study."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PRICED = ("gpu_hour", "cpu_hour", "kwh", "thousand_requests", "fetched_gb", "eecu_hour", "gb")
"""What may have a price: hours of a GPU and of a core, kWh that GPUs say they used, requests to a
service, gigabytes fetched from it, EECU-hours, and gigabytes of results kept."""
PRICES = (*PRICED, "currency")


def money_of(used: Mapping[str, float], prices: Mapping[str, Any]) -> float:
    """The price of what is used; what has no price is free.

    Args:
        used: amounts by names of `PRICED`.
        prices: the study's.
    """
    return float(sum(amount * float(prices.get(name, 0.0)) for name, amount in used.items()))
