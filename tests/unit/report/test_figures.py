"""Figures: the right panels, colours that are always the same, names that never overlap."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import Image

from rsweep.core.sensors import SENSORS
from rsweep.report.charts import cost_measure, draw_sweep, quality_measure
from rsweep.report.colours import (
    aligned,
    find_components,
    rgb_bands,
    sample_cells,
    scores,
    true_colour,
)
from rsweep.report.figures import write_figures
from rsweep.report.layout import lay_out, varying
from rsweep.report.panels import read_panels
from rsweep.report.pictures import choose_rois, draw_pictures, make_pictures
from rsweep.report.ranking import by_quality
from rsweep.report.scatter import draw_scatter, frontier, spread


def made_up(combinations):
    """A study's profiles and their rows, as if they had run."""
    profiles, rows = [], {}
    for number, own in enumerate(combinations):
        settings = {"model": "m", **own}
        name = "_".join(f"{k}-{v}" for k, v in own.items())
        profiles.append(SimpleNamespace(name=name, settings=settings))
        rows[name] = {
            "profile": name,
            "status": "ok",
            "model": settings["model"],
            "seconds": 1.0 + number,
            "infer_seconds": 0.5,
            "folds": 5,
            "knn_balanced_accuracy": 0.5 + 0.4 * ((number * 7) % 10) / 10,
            "quality": 0.5 + 0.4 * ((number * 7) % 10) / 10,
            "quality_low": 0.4,
            "quality_high": 0.95,
        }
    return SimpleNamespace(profiles=profiles), rows


def product(**values):
    return [dict(zip(values, v, strict=True)) for v in itertools.product(*values.values())]


def test_files(study):
    found = {path.name for path in (study.folder / "figures").iterdir()}
    assert found == {"cost.png", "quality.png", "quality_cost.png", "grids.png", "panels"}
    for name in found - {"panels"}:
        image = Image.open(study.folder / "figures" / name)
        assert min(image.size) > 300
        assert len(image.convert("RGB").getcolors(1 << 24)) > 20


def test_same_bytes_again(study, tmp_path):
    write_figures(study, tmp_path)
    made = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(made) > 4
    for path in made:
        before = study.folder / "figures" / path.relative_to(tmp_path)
        assert path.read_bytes() == before.read_bytes()


def test_panels_lie_on_the_ground_that_they_show(study):
    found = read_panels(study.folder / "figures", {})
    grids = [p.name for p in study.profiles if p.settings["output"] == "grid"]
    assert [row.label for row in found.rows] == ["true colour (s2)", *grids]
    assert len(found.places) == 6
    for row in found.rows[1:]:
        for panel in row.panels:
            left, top, width, height = panel.box
            # A cell or two may reach over the ROI; the middle of both is the same ground.
            assert abs(left + width / 2 - 50) < 25
            assert abs(top + height / 2 - 50) < 25
            assert min(width, height) > 80


def test_components_of_turned_embeddings_give_the_same_colours():
    rng = np.random.default_rng(0)
    cells = rng.normal(size=(400, 6)) * [9, 6, 4, 0.1, 0.1, 0.1]
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    other = cells @ turn * [1, 1, 1, 1, 1, 1] + 5
    first, own = find_components(cells), find_components(other)
    own = aligned(own, other, scores(first, cells))
    grid, turned = (c.T.reshape(6, 20, 20) for c in (cells, other))
    np.testing.assert_allclose(own.colour(turned), first.colour(grid), atol=0.05)


def test_a_panel_for_each_grid_profile_and_roi(study):
    (figure,) = draw_pictures(study, make_pictures(study))
    rois = choose_rois(study, study.profiles)
    assert all(roi.id.startswith("r") for roi in rois)
    assert len(rois) == 6
    titles = [ax.get_title(loc="left") for ax in figure.axes if ax.get_title(loc="left")]
    grids = [p.name for p in study.profiles if p.settings["output"] == "grid"]
    assert titles == ["true colour (s2)", *grids]
    assert len(figure.axes) == len(titles) * len(rois)
    assert all(len(ax.images) == 1 for ax in figure.axes)


def test_panels_show_the_same_ground(study):
    (figure,) = draw_pictures(study, make_pictures(study))
    axes = np.array(figure.axes).reshape(-1, 6)
    for column in axes.T:
        assert len({(ax.get_xlim(), ax.get_ylim()) for ax in column}) == 1


def test_components_have_fixed_signs_and_find_the_spread():
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(500, 3)) * [9, 3, 1]
    axes = np.linalg.qr(rng.normal(size=(6, 3)))[0]
    cells = hidden @ axes.T
    found, flipped = find_components(cells), find_components(-cells)
    np.testing.assert_allclose(np.abs(found.axes.T @ axes), np.eye(3), atol=0.1)
    np.testing.assert_allclose(found.axes, flipped.axes, atol=1e-8)
    grid = cells[:100].T.reshape(6, 10, 10)
    assert found.colour(grid).shape == (10, 10, 4)


@pytest.mark.parametrize("width", [1, 2, 3])
def test_few_dimensions_have_colours_too(width):
    grid = np.random.default_rng(0).normal(size=(width, 4, 4))
    assert find_components(sample_cells([grid], 1)).colour(grid).shape == (4, 4, 4)


def test_missing_cells_are_transparent():
    grid = np.random.default_rng(0).normal(size=(5, 4, 4)).astype(np.float32)
    grid[:, 1, 2] = np.nan
    cells = sample_cells([grid], 1)
    assert len(cells) == 15
    colour = find_components(cells).colour(grid)
    assert colour[1, 2, 3] == 0
    assert (colour[..., 3].sum(), np.isfinite(colour).all()) == (15, True)


def test_sample_takes_from_every_grid_evenly():
    grids = [np.full((2, 200, 200), i, np.float32) for i in range(10)]
    cells = sample_cells(iter(grids), 10)
    assert 15_000 < len(cells) <= 20_000
    assert len(set(np.unique(cells[:, 0], return_counts=True)[1])) == 1


@pytest.mark.parametrize(
    "sensor, bands, expected",
    [
        ("s2", ["B2", "B3", "B4", "B8"], ["B4", "B3", "B2"]),
        ("s2", ["B8", "B11"], ["B8", "B8", "B8"]),
        ("landsat", list(SENSORS["landsat"].bands), ["B4", "B3", "B2"]),
        ("hls", list(SENSORS["hls"].bands), ["RED", "GREEN", "BLUE"]),
        ("modis", list(SENSORS["modis"].bands), ["b01", "b04", "b03"]),
    ],
)
def test_true_colour_bands(sensor, bands, expected):
    assert rgb_bands(bands, SENSORS[sensor]) == expected


def test_radar_is_pseudo_colour():
    image = np.random.default_rng(0).normal(-12, 3, (2, 8, 8))
    (rgba,) = true_colour([image], ["VV", "VH"], SENSORS["s1"])
    assert rgba.shape == (8, 8, 4)
    np.testing.assert_array_equal(rgba[..., 0].argmax(), image[0].argmax())


def test_two_knobs_are_axes():
    study, rows = made_up(product(frames=[1, 2, 10], composite=["median", "mean"]))
    (facet,) = lay_out(study)
    assert (facet.rows, facet.columns) == ("composite", "frames")
    assert facet.values(1) == ["1", "2", "10"]
    figure = draw_sweep([facet], rows, [cost_measure()])
    heat = figure.subfigs[0].axes[0]
    assert len(heat.texts) == 6
    assert {t.get_text().split("\n")[0] for t in heat.texts} == {f"{n} s" for n in range(1, 7)}


def test_one_knob_is_bars():
    study, rows = made_up(product(frames=[1, 2, 4]))
    (facet,) = lay_out(study)
    assert (facet.rows, facet.columns) == (None, "frames")
    figure = draw_sweep([facet], rows, [quality_measure("knn", "balanced_accuracy")])
    assert len(figure.subfigs[0].axes[0].patches) == 3


def test_models_with_knobs_of_their_own_have_charts_of_their_own():
    study, rows = made_up(
        [
            *product(model=["a"], patch_size=[4, 8], output=["pooled", "grid"]),
            *product(model=["b"], frames=[1, 2], patch_size=[4]),
        ]
    )
    facets = lay_out(study)
    assert [f.title for f in facets] == ["a", "b"]
    assert sum(len(names) for f in facets for names in f.cells.values()) == len(rows)
    draw_sweep(facets, rows, [cost_measure()])


def test_knobs_that_vary_as_one_are_one_axis():
    profiles = {
        f"p{i}": {"model": m, "variant": v, "same": 1}
        for i, (m, v) in enumerate([("a", "x"), ("a", "x"), ("b", "y")])
    }
    assert varying(profiles) == ["model"]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_names_never_overlap(wanted):
    wanted.sort()
    gap = 0.05
    found = spread(wanted, gap)
    assert len(found) == len(wanted)
    assert all(b - a >= gap - 1e-9 for a, b in itertools.pairwise(found))
    if gap * (len(wanted) - 1) <= 1:
        assert found[0] >= -1e-9
        assert found[-1] <= 1 + 1e-9


@pytest.mark.parametrize("count", [1, 9, 60])
def test_scatter_names_lie_inside_the_figure(count):
    _, rows = made_up([{"model": "ab"[i % 2], "n": i} for i in range(count)])
    figure = draw_scatter(list(rows.values()), "balanced_accuracy")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    boxes = [Text.get_window_extent(text, renderer) for text in figure.axes[0].texts]
    assert boxes
    assert all(figure.bbox.x0 <= b.x0 and b.x1 <= figure.bbox.x1 for b in boxes)
    for a, b in itertools.combinations(boxes, 2):
        assert not a.overlaps(b)


def test_frontier():
    points = np.array([[1, 0.5], [2, 0.4], [3, 0.9], [3, 0.8], [4, 0.9]])
    assert frontier(points) == [0, 2]


def test_without_quality_the_cheapest_is_first():
    rows = [{"profile": n, "seconds": s} for n, s in (("dear", 9.0), ("cheap", 1.0))]
    assert [row["profile"] for row in by_quality(rows)] == ["cheap", "dear"]
    rows[0]["quality"] = 0.5
    assert [row["profile"] for row in by_quality(rows)] == ["dear", "cheap"]
