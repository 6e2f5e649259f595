"""The recipe of maize yields, on generated tables in the layout of SPAM."""

import csv

import numpy as np
import pandas as pd
import pytest
from recipebench import copy_recipe, prepare, read_study, run
from sklearn.ensemble import RandomForestRegressor
from sklearn.metrics import mean_squared_error, r2_score
from sklearn.preprocessing import StandardScaler

from rsweep.core.errors import RsweepError
from rsweep.recipes.obtain import obtain
from rsweep.recipes.recipe import read_recipe

CELLS = 40


def write_spam(data):
    """Harvested area and yield by cell: of Illinois and elsewhere, one cell twice."""
    data.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    rows = {
        "grid_code": 1000 + np.arange(CELLS),
        "x": -90 + (np.arange(CELLS) % 8) / 12,
        "y": 40 + (np.arange(CELLS) // 8) / 12,
        "FIPS0": "US",
        "ADM0_NAME": "United States",
        "ADM1_NAME": ["Iowa" if i % 10 == 0 else "Illinois" for i in range(CELLS)],
        "year_data": "avg",
        "unit": "ha",
        "WHEA_A": 1.0,
    }
    area = pd.DataFrame(rows).assign(MAIZ_A=rng.uniform(1500, 9000, CELLS))
    grown = pd.DataFrame(rows).assign(MAIZ_A=rng.uniform(8000, 14000, CELLS))
    grown.loc[5, "MAIZ_A"] = 0.0
    pd.concat([area, area.iloc[[7]]]).to_csv(
        data / "spam2020V2r0_global_H_TA.csv", index=False, encoding="utf-8-sig"
    )
    grown.to_csv(data / "spam2020V2r0_global_Y_TA.csv", index=False, encoding="utf-8-sig")
    return area, grown


def test_the_tables_are_asked_for_and_become_places_with_yields(tmp_path):
    folder = copy_recipe("maize", tmp_path)
    with pytest.raises(RsweepError, match=r"2 of 2 things[\s\S]*10\.7910/DVN/SWPENT"):
        obtain(read_recipe(folder))
    area, grown = write_spam(folder / "data")
    obtain(read_recipe(folder))
    prepare(folder)
    with (folder / "data/rois.csv").open(newline="") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    kept = [
        i for i in range(CELLS) if area["MAIZ_A"][i] >= 2500 and grown["MAIZ_A"][i] > 0 and i % 10
    ]
    assert set(rows) == {f"c{1000 + i}" for i in kept}
    for i in kept:
        row = rows[f"c{1000 + i}"]
        assert float(row["yield_t_ha"]) == pytest.approx(grown["MAIZ_A"][i] / 1000)
        assert (float(row["lon"]), float(row["lat"])) == pytest.approx((area["x"][i], area["y"][i]))
        assert row["buffer_m"] == "2000"
    tested = sum(row["split"] == "test" for row in rows.values())
    assert tested == int(np.ceil(len(rows) / 4))
    assert int(np.ceil(991 / 4)) == 248  # as many as were published


def test_the_study_asks_for_what_was_published(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = copy_recipe("maize", tmp_path)
    write_spam(folder / "data")
    prepare(folder)
    study = read_study(folder, "study.yaml")
    assert {p.name for p in study.profiles} == {
        "agrifm",
        "thor",
        "terrafm",
        "satmaepp",
        "remoteclip",
        "wildsat",
        "satmae",
        "dofa",
    }
    for profile in study.profiles:
        assert profile.settings["temporal"] == {"start": "2019-06-01", "end": "2019-09-01"}
        assert profile.settings["weights"] == "pretrained"
        assert profile.settings["output"] == "pooled"


def test_the_forest_is_scikit_learns_and_another_split_is_noticed(tmp_path, monkeypatch):
    """Random features in place of embeddings: the probe, the split and the comparison."""
    monkeypatch.chdir(tmp_path)
    folder = copy_recipe("maize", tmp_path)
    write_spam(folder / "data")
    prepare(folder)
    table = pd.read_csv(folder / "data/rois.csv")
    rng = np.random.default_rng(1)
    target = table["yield_t_ha"].to_numpy()
    features = (target[:, None] + rng.normal(0, 0.5, (len(table), 6))).astype(np.float32)
    np.savez("agrifm.npz", id=table["id"].to_numpy(str), embedding=features)
    test = (table["split"] == "test").to_numpy()
    scale = StandardScaler().fit(features[~test])
    forest = RandomForestRegressor(200, max_features=1 / 3, random_state=0)
    guess = forest.fit(scale.transform(features[~test]), target[~test]).predict(
        scale.transform(features[test])
    )
    told = {
        "forest_r2": r2_score(target[test], guess),
        "forest_rmse": mean_squared_error(target[test], guess) ** 0.5,
    }
    lines = [f"{name},agrifm,,{name},{value},1e-6,by hand" for name, value in told.items()]
    head = "what,profile,minus,measure,published,tolerance,source"
    (folder / "published.csv").write_text("\n".join([head, *lines]))
    given = {"profiles": None, "base": None, "given": [{"name": "agrifm", "path": "agrifm.npz"}]}
    assert [row["status"] for row in run(read_study(folder, "study.yaml", **given))] == ["pass"] * 2
    table["split"] = np.roll(table["split"], 3)
    table.to_csv(folder / "data/rois.csv", index=False)
    again = run(read_study(folder, "study.yaml", study="again", **given))
    assert [row["status"] for row in again] == ["fail"] * 2
