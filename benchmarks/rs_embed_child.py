"""rs-embed's side of rs_embed.py, in a Python of its own: a line of JSON per request and answer.

A request names a model, a file of arrays [ROI, band, y, x] and profiles. Each profile is a call of
rs-embed's batch function for arrays that one has, `get_embeddings_batch_from_data`: a call of
rs-embed computes one output with one setting. Timed are the calls alone; arrays lie in memory and
embeddings stay there.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from typing import Any

import numpy as np
import rs_embed
import timm
import torch
from rs_embed.providers import ProviderBase, register_provider

THREADS = 1


class NoProvider(ProviderBase):
    """Fetches nothing: rs-embed's DOFA wants a provider (else Earth Engine's) even for arrays."""

    def ensure_ready(self) -> None:
        """Be ready."""


def embed(request: dict[str, Any]) -> dict[str, Any]:
    """Wall and CPU seconds of all profiles; embeddings go to the file that the request names."""
    datas = [user_data(array, request) for array in np.load(request["arrays"])]
    wall, cpu = time.perf_counter(), time.process_time()
    found = [call(datas, request, profile) for profile in request["profiles"]]
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    stacks = {str(i): np.stack([np.asarray(e.data) for e in some]) for i, some in enumerate(found)}
    np.savez(request["save"], **stacks)
    return {"wall_s": wall, "cpu_s": cpu}


def user_data(array: Any, request: dict[str, Any]) -> rs_embed.UserData:
    """An array as rs-embed takes it, on no map, so that it is not resampled."""
    window = rs_embed.TemporalSpec.range(**request["window"])
    return rs_embed.UserData(array, "s2", bands=tuple(request["bands"]), temporal=window)


def call(
    datas: list[rs_embed.UserData], request: dict[str, Any], profile: dict[str, Any]
) -> list[Any]:
    """One profile: what rs-embed reads from the environment at each call is set there."""
    os.environ.update(profile["environment"])
    return rs_embed.get_embeddings_batch_from_data(
        request["model"],
        datas,
        output=rs_embed.OutputSpec(**profile["output"]),
        device="cpu",
        input_prep="resize",
        **request["options"],
    )


def main() -> None:
    answers, sys.stdout = sys.stdout, sys.stderr  # so that nothing else is taken for an answer
    torch.set_num_threads(THREADS)
    register_provider("none", NoProvider)
    os.environ["RS_EMBED_DEFAULT_PROVIDER"] = "none"
    versions = {
        "rs-embed": rs_embed.__version__,
        "its python": platform.python_version(),
        "its torch": torch.__version__,
        "its timm": timm.__version__,
    }
    print(json.dumps(versions), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(embed(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
