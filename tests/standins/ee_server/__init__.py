"""A stand-in for Earth Engine on loopback: the genuine ee client talks to it. See README.md."""

from ee_server.server import StandIn, serve
from ee_server.store import Store, write_image

__all__ = ["StandIn", "Store", "serve", "write_image"]
