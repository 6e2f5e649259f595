"""Which program made a result: rsweep's commit and the version of every package in the numbers."""

from __future__ import annotations

import json
import platform
import subprocess
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, version
from pathlib import Path

import rsweep

PACKAGES = (
    "torch",
    "timm",
    "numpy",
    "scipy",
    "pillow",
    "scikit-learn",
    "rasterio",
    "pyproj",
    "shapely",
    "h5py",
    "safetensors",
    "snakemake",
    "earthengine-api",
)
"""Those that touch a number, or say which numbers are fetched."""


@cache
def versions() -> dict[str, str]:
    """Versions of rsweep and of what its results depend on, and when this was asked.

    `commit` is rsweep's, and `modified` says whether its files differ from that commit; both are
    "unknown" where it was installed without its history.
    """
    found = {"rsweep": rsweep.__version__, **_commit(), "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return {**found, **_libraries(), "written": datetime.now(UTC).isoformat(timespec="seconds")}


def _commit() -> dict[str, str]:
    folder = Path(rsweep.__file__).parent
    head = _git(folder, "log", "-1", "--format=%H", "--", str(folder))
    if head:
        changed = _git(folder, "status", "--porcelain", "--", str(folder))
        return {"commit": head, "modified": "unknown" if changed is None else _yes(bool(changed))}
    return {"commit": _installed_commit() or "unknown", "modified": "unknown"}


def _yes(true: bool) -> str:
    return "yes" if true else "no"


def _git(folder: Path, *arguments: str) -> str | None:
    """What git says in a folder; None if there is no git or no history there."""
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _installed_commit() -> str | None:
    """The commit that pip installed from, where it was told one."""
    try:
        text = Distribution.from_name("rsweep").read_text("direct_url.json")
    except PackageNotFoundError:
        return None
    told = json.loads(text) if text else {}
    commit = told.get("vcs_info", {}).get("commit_id")
    return str(commit) if commit else None


def _libraries() -> dict[str, str]:
    """Libraries in C that come inside packages and have versions of their own."""
    import pyproj
    import rasterio

    return {
        "gdal": rasterio.__gdal_version__,
        "proj": rasterio.__proj_version__,
        "proj of pyproj": pyproj.proj_version_str,
    }
