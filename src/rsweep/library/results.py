"""What a folder of results holds."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rsweep.core.errors import RsweepError
from rsweep.core.knobs import nearest
from rsweep.library.frames import EmbeddingFrame, Grids, read_frame, read_table
from rsweep.results.profile import grid_files

if TYPE_CHECKING:
    from collections.abc import Sequence


def open_results(folder: str | Path) -> Results:
    """The results of a study, such as "results/demo".

    Raises:
        RsweepError: there is no study's result in that folder.
    """
    return Results(Path(folder))


class Results:
    """A study that ran: its profiles as GeoDataFrame, xarray or numpy, its tables as DataFrames."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not self.profiles:
            raise RsweepError(
                f"{folder} has no profiles/*/meta.json; expected a folder such as results/demo"
            )

    def __repr__(self) -> str:
        return f"Results({str(self.folder)!r}: {len(self.profiles)} profiles)"

    @cached_property
    def profiles(self) -> Sequence[str]:
        """Names of the profiles, and of embeddings that others computed."""
        return sorted(self._folders)

    @cached_property
    def _folders(self) -> dict[str, Path]:
        found = [*self.folder.glob("profiles/*/meta.json"), *self.folder.glob("given/*/meta.json")]
        return {path.parent.name: path.parent for path in found}

    def _of(self, profile: str) -> Path:
        if profile not in self.profiles:
            names = ", ".join(self.profiles)
            raise RsweepError(
                f"{self.folder} has no profile {profile!r}; it has: {names}"
                f"{nearest(profile, self.profiles)}"
            )
        return self._folders[profile]

    def meta(self, profile: str) -> dict[str, Any]:
        """Everything that was asked of a profile and everything that ran."""
        return dict(json.loads((self._of(profile) / "meta.json").read_text()))

    def frame(self, profile: str) -> EmbeddingFrame:
        """A profile's vectors with their places and labels."""
        return read_frame(self._of(profile) / "embeddings.parquet", self.meta(profile))

    def vectors(self, profile: str) -> NDArray[np.float32]:
        """A profile's vectors as [ROIs, D], in table order."""
        return self.frame(profile).vectors

    def grids(self, profile: str) -> Grids:
        """A profile's grids by ROI; none for a pooled profile."""
        folder = self._of(profile) / "grids"
        return Grids(grid_files(folder), self.meta(profile))

    @cached_property
    def sweep(self) -> pd.DataFrame:
        """A row per profile: every setting, every key, cost and quality."""
        return read_table(self.folder / "sweep.csv").set_index("profile")

    @property
    def costs(self) -> pd.DataFrame:
        """Seconds, memory, tiles and bytes of each profile."""
        words = ("seconds", "_mb", "bytes", "tiles", "energy")
        names = [str(name) for name in self.sweep.columns]
        return self.sweep[[name for name in names if any(word in name for word in words)]]

    @property
    def scores(self) -> pd.DataFrame:
        """Scores of each profile, a row each; columns `<probe>_<metric>`, as in sweep.csv."""
        files = {name: self._of(name) / "evaluation.json" for name in self.profiles}
        told = {
            name: json.loads(f.read_text())["scores"] for name, f in files.items() if f.exists()
        }
        flat = {
            name: {
                f"{probe}_{metric}": v for probe, own in scores.items() for metric, v in own.items()
            }
            for name, scores in told.items()
        }
        return pd.DataFrame.from_dict(flat, orient="index")

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """What each probe said of each row while that was held out, of all profiles.

        Columns: profile, roi, repeat, probe, labels_per_class (missing: all labels), truth,
        prediction; x and y in metres where cells are predicted. Empty without `evaluate`.
        """
        files = {name: self._of(name) / "predictions.parquet" for name in self.profiles}
        tables = {name: read_table(file) for name, file in files.items() if file.exists()}
        if not tables:
            return pd.DataFrame(columns=["profile"])
        every = pd.concat(tables, names=["profile"]).reset_index("profile")
        return every.reset_index(drop=True)
