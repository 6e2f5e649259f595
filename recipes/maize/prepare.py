"""Places and labels of the maize use case, from the two SPAM tables."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

CROP = "MAIZ_A"
LEAST_HA = 2500.0
BUFFER_M = 2000
TEST = 0.25
KG_PER_T = 1000.0


def illinois(path: Path, name: str) -> pd.DataFrame:
    """Cells of Illinois with the crop's value, a row per cell."""
    columns = ["grid_code", "x", "y", "FIPS0", "ADM1_NAME", CROP]
    table = pd.read_csv(path, usecols=columns, encoding="utf-8-sig").rename(columns={CROP: name})
    table = table[table["FIPS0"].str.upper().eq("US") & table["ADM1_NAME"].eq("Illinois")]
    return table.drop_duplicates("grid_code").set_index("grid_code")


def main(recipe: Path) -> None:
    """Write rois.csv: cells with enough maize, their yield, and who is tested."""
    data = recipe / "data"
    area = illinois(data / "spam2020V2r0_global_H_TA.csv", "area_ha")
    found = illinois(data / "spam2020V2r0_global_Y_TA.csv", "yield_kg_ha").join(area["area_ha"])
    found = found[(found["area_ha"] >= LEAST_HA) & (found["yield_kg_ha"] > 0)]
    found = found.sort_values(["y", "x"])
    order = np.random.default_rng(42).permutation(len(found))
    tested = order[: int(np.ceil(TEST * len(found)))]
    split = np.full(len(found), "train", object)
    split[tested] = "test"
    table = pd.DataFrame(
        {
            "id": [f"c{code}" for code in found.index],
            "lon": found["x"],
            "lat": found["y"],
            "buffer_m": BUFFER_M,
            "yield_t_ha": found["yield_kg_ha"] / KG_PER_T,
            "split": split,
        }
    )
    table.to_csv(data / "rois.csv", index=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
