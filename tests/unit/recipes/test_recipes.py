"""Every recipe here: whole, honest about what it was not run on, and readable."""

from pathlib import Path

import pytest
import yaml

from rsweep.plan.published import read_published
from rsweep.recipes.recipe import read_recipe

RECIPES = Path(__file__).resolve().parents[3] / "recipes"
NAMES = sorted(path.parent.name for path in RECIPES.glob("*/recipe.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_says_what_it_must(name):
    recipe = read_recipe(RECIPES / name)
    assert (recipe.folder / "README.md").is_file()
    assert recipe.not_run
    for study in recipe.studies:
        config = yaml.safe_load((recipe.folder / study).read_text())
        assert config["rois"].startswith(f"recipes/{name}/")
        if "published" not in config:
            assert "no published number" in recipe.not_run
            continue
        numbers = Path(config["published"])
        assert numbers.parent == Path("recipes") / name
        assert all(each.tolerance > 0 for each in read_published(recipe.folder / numbers.name))
