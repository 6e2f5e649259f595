"""What is said in several places about the environment is the same in all of them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

REPO = Path(__file__).resolve().parents[2]
NAMES_IN_CONDA = {"torch": "pytorch"}


def bounds() -> dict[str, str]:
    project = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
    found = dict(re.findall(r"^([\w-]+)>=([\d.]+)$", line)[0] for line in project["dependencies"])
    return {NAMES_IN_CONDA.get(name, name): bound for name, bound in found.items()}


def locked() -> dict[str, str]:
    lines = (REPO / "requirements.lock").read_text().split()
    found = {
        name.lower().replace("_", "-"): version
        for name, version in (line.split("==") for line in lines)
    }
    return {NAMES_IN_CONDA.get(name, name): version for name, version in found.items()}


@pytest.mark.parametrize("name", ["base", "torch"])
def test_conda_environments_pin_what_the_lock_pins(name: str) -> None:
    environment = yaml.safe_load((REPO / f"envs/{name}.yaml").read_text())
    for line in environment["dependencies"]:
        package, version = line.split(" =")
        if package != "python":
            assert locked()[package.replace("_", "-")] == version, package
            assert package in bounds(), f"{package} is no dependency of the project"


def test_the_lock_pins_every_dependency() -> None:
    lock = dict(line.split("==") for line in (REPO / "requirements.lock").read_text().split())
    normal = {name.lower().replace("_", "-") for name in lock}
    project = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
    # `recipes` is left out of the lock: its packages bring many more, which a recipe alone needs.
    extras = [
        line
        for name, lines in project["optional-dependencies"].items()
        for line in lines
        if name != "recipes"
    ]
    for line in [*project["dependencies"], *extras]:
        assert re.split(r"[><=]", line)[0].lower().replace("_", "-") in normal, line
    assert lock["torch"] == "2.13.0"
    assert lock["torchvision"] == "0.28.0"


def test_rules_import_what_their_environment_has() -> None:
    """Only inference and its weights may need torch: other rules run in the base environment."""
    for rule in (REPO / "rules").glob("*.smk"):
        environments = re.findall(r'"\.\./envs/(\w+)\.yaml"', rule.read_text())
        assert (
            set(environments) <= {"torch"}
            if rule.stem in ("infer", "weights")
            else set(environments) <= {"base"}
        )
