"""The files of a published study: copied without secrets, accounts or paths of this machine."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

import rsweep
from rsweep.core.errors import RsweepError
from rsweep.core.files import write_json
from rsweep.core.redact import portable
from rsweep.results.lock import read_whole

LEFT_OUT = ("logs", "plan", "weights")
"""Parts of a results folder that say how it was made on this machine."""
TEXTS = (".csv", ".html", ".svg", ".md")
EMBEDDED = re.compile(r"data:[\w/+;=.-]+,[\w+/=%-]*")
"""An image inside a page, whose letters are no path."""
WHO = ("host", "commit", "modified", "endpoint", "project")
"""Names in meta and lock that tell who made them and where."""
HIDDEN = "anonymous"
"""What stands in place of a name."""
LEAST_NAME = 8
"""Letters of a name that is taken out of texts; a shorter one may be a part of a word."""
ROOT = Path(rsweep.__file__).parents[2]
WORKFLOW = ("Snakefile", "rules", "scripts", "profiles", "requirements.lock", "LICENSE")


def copy_study(results: Path, study_file: Path, out: Path, anonymous: bool) -> dict[str, Any]:
    """Copy a study, its ROI table, its results and the workflow to a new folder; its lock.

    Raises:
        RsweepError: there is no lock, no ROI table, or the folder is there already.
    """
    if out.exists() and any(out.iterdir()):
        raise RsweepError(f"{out} is not empty; name a new folder")
    lock = read_whole(results / "study.lock.json")
    config = yaml.safe_load(study_file.read_text())
    rois = Path(config["rois"])
    if not rois.is_file():
        raise RsweepError(f"{study_file}: rois: {rois} is not there; run this where the study ran")
    (out / "rois").mkdir(parents=True)
    for path in rois.parent.glob(f"{rois.stem}.*"):  # a shapefile is several files
        shutil.copyfile(path, out / "rois" / path.name)
    plain = {**portable(lock["config"] or config), "rois": f"rois/{rois.name}"}
    if config.get("published"):
        plain["published"] = _copy_published(Path(config["published"]), out)
    plain = nameless(plain) if anonymous else plain
    (out / "study.yaml").write_text(yaml.safe_dump(plain, sort_keys=False))
    copy_results(results, out / "results" / results.name, anonymous)
    copy_workflow(out / "workflow")
    return lock


def _copy_published(path: Path, out: Path) -> str:
    """Copy the numbers that a study compares with; their place in the crate."""
    if not path.is_file():
        raise RsweepError(f"published: {path} is not there; run this where the study ran")
    (out / "published").mkdir()
    shutil.copyfile(path, out / "published" / path.name)
    return f"published/{path.name}"


def copy_results(results: Path, out: Path, anonymous: bool) -> None:
    """Copy a results folder; texts are cleaned, tables and images are as they were."""
    hidden = set(named(read_whole(results / "study.lock.json"))) if anonymous else set()
    for path in _files(results):
        target = out / path.relative_to(results)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".json":
            found = portable(json.loads(path.read_text()))
            write_json(target, nameless(found) if anonymous else found)
        elif path.suffix in TEXTS:
            target.write_text(_without(clean_text(path.read_text()), hidden))
        else:
            shutil.copyfile(path, target)


def _files(results: Path) -> Iterator[Path]:
    for path in sorted(results.rglob("*")):
        inside = path.relative_to(results)
        hidden = any(part.startswith(".") for part in inside.parts)
        if path.is_file() and not hidden and inside.parts[0] not in LEFT_OUT:
            yield path


def nameless(value: Any) -> Any:
    """A value of JSON without what names a machine, a place on the network or a person."""
    if isinstance(value, Mapping):
        return {name: _nameless(name, held) for name, held in value.items()}
    return [nameless(item) for item in value] if isinstance(value, list) else value


def _nameless(name: str, held: Any) -> Any:
    if name in WHO and isinstance(held, str):
        return HIDDEN
    if name == "config" and isinstance(held, str):  # the study in a lock is text
        return json.dumps(nameless(json.loads(held)))
    return nameless(held)


def named(value: Any) -> Iterator[str]:
    """What `nameless` takes out, where it is long enough to be found in a text."""
    if isinstance(value, Mapping):
        for name, held in value.items():
            if name in WHO and isinstance(held, str) and len(held) >= LEAST_NAME:
                yield held
            yield from named(held)
    elif isinstance(value, list):
        for item in value:
            yield from named(item)


def _without(text: str, hidden: set[str]) -> str:
    for name in sorted(hidden, key=len, reverse=True):
        text = text.replace(name, HIDDEN)
    return text


def clean_text(text: str) -> str:
    """A text without secrets and absolute paths; images inside it stay as they are."""
    parts, at = [], 0
    for found in EMBEDDED.finditer(text):
        parts += [portable(text[at : found.start()]), found[0]]
        at = found.end()
    return "".join([*parts, portable(text[at:])])


def copy_workflow(out: Path) -> None:
    """Copy the workflow's own files.

    Raises:
        RsweepError: rsweep was installed without them.
    """
    if not (ROOT / "Snakefile").is_file():
        raise RsweepError(f"{ROOT} has no Snakefile; export from a checkout of rsweep")
    out.mkdir(parents=True)
    for name in WORKFLOW:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, out / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif (ROOT / name).is_file():
            shutil.copyfile(ROOT / name, out / name)
