"""What a profile's embeddings are worth: from its table of embeddings to quality.json."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import shapely

from rsweep.core.files import write_json
from rsweep.evaluate.probes import Labelled, evaluate


def read_labelled(path: Path, label: str) -> Labelled:
    """Embeddings, labels and centres of a profile's embeddings.parquet, a row per ROI."""
    table = pq.read_table(path, columns=["geometry", "embedding", label])
    vectors = table["embedding"].combine_chunks()
    width = vectors.type.list_size
    features = vectors.flatten().to_numpy(zero_copy_only=False).reshape(-1, width)
    centres = shapely.centroid(shapely.from_wkb(table["geometry"].to_numpy()))
    lonlat = np.stack([shapely.get_x(centres), shapely.get_y(centres)], axis=1)
    if width == 0:  # no ROI has an embedding
        features = np.full((table.num_rows, 1), np.nan)
    return Labelled(features.astype(np.float64), table[label].to_pylist(), lonlat)


def write_quality(options: Mapping[str, Any], embeddings: Path, path: Path) -> None:
    """Probe a profile's embeddings as the study's `evaluate` section says."""
    write_json(path, evaluate(read_labelled(embeddings, options["label"]), options))
