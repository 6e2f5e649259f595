"""embeddings.parquet: every column of the ROI table is in it, whatever its name."""

from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq

from rsweep.core.roi import Roi
from rsweep.results import profile as module
from rsweep.results.profile import Row, write_embeddings


def test_labels_called_what_a_result_column_is_are_kept(tmp_path, monkeypatch):
    own = {"profile": "dune", "key": "7", "valid_share": "high", "crop": "rye"}
    shape = {"type": "point", "lon": 8.6, "lat": 50.5, "buffer_m": 100}
    outcome = {
        "id": "r0",
        "error": None,
        "start": "2022-06-01",
        "end": "2022-07-01",
        "valid_share": 0.5,
        "real_share": 1.0,
        "scenes": ["s"],
    }
    rows = [Row(Roi("r0", shape, properties=own), outcome, np.ones(3, np.float32))]
    monkeypatch.setattr(module, "read_rows", lambda study, profile: rows)
    profile = SimpleNamespace(
        name="p",
        settings={"model": "m", "output": "pooled", "provider": "synthetic"},
        node=SimpleNamespace(key="k"),
    )
    write_embeddings(None, profile, tmp_path / "e.parquet")
    (row,) = pq.read_table(tmp_path / "e.parquet").to_pylist()
    assert (row["profile"], row["key"], row["valid_share"]) == ("p", "k", 0.5)
    assert (row["roi_profile"], row["roi_key"], row["roi_valid_share"]) == ("dune", 7, "high")
    assert row["crop"] == "rye"
