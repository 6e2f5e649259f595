"""Transformers attend by torch's fused kernels, which is what a GPU is fast at."""

import pytest
import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from rsweep.models.protocol import TileBatch
from rsweep.models.weights import load_embedder
from rsweep.plan.study import make_study
from rsweep.stages.infer.engine import Engine


class Calls(TorchFunctionMode):
    """Counts calls of fused attention and of a softmax written out."""

    def __init__(self):
        super().__init__()
        self.fused = self.spelt_out = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.fused += func is functional.scaled_dot_product_attention
        self.spelt_out += func in (torch.softmax, functional.softmax, torch.Tensor.softmax)
        return func(*args, **(kwargs or {}))


def tile(settings):
    size, sensors = settings["image_size"], settings["bands"]
    day = {s: torch.zeros(1, 1, dtype=torch.int64) for s in sensors}
    return TileBatch(
        pixels={s: torch.zeros(1, 1, len(bands), size, size) for s, bands in sensors.items()},
        valid={s: torch.ones(1, 1, size, size, dtype=torch.bool) for s in sensors},
        day_of_year=day,
        month=day,
        year=day,
        lonlat=torch.zeros(1, 2, dtype=torch.float64),
        gsd=torch.full((1,), 10.0),
    )


@pytest.mark.parametrize(
    "own",
    [
        {"model": "thor", "variant": "tiny", "image_size": 48, "patch_size": 12},
        {"model": "galileo", "variant": "nano"},
        {"model": "dofa", "variant": "base", "image_size": 32},
    ],
    ids=lambda own: own["model"],
)
def test_attention_is_fused(own, tmp_path):
    (tmp_path / "rois.csv").write_text("id,lon,lat,buffer_m\na,14,46,200\n")
    study = make_study(
        {
            "study": "s",
            "rois": str(tmp_path / "rois.csv"),
            "temporal": {"start": "2022-06-01", "end": "2022-09-01"},
            "base": {"provider": "synthetic", "weights": "random", **own},
        },
        "study",
    )
    settings = study.profiles[0].node.inputs["tokens"].settings
    embedder, _ = load_embedder(settings, {"weights": "random"})
    engine = Engine(embedder, settings, torch.device("cpu"))
    with Calls() as calls:
        engine.seconds(tile(settings))
    assert calls.fused > 0
    assert calls.spelt_out == 0
