"""The study that a folder of results belongs to, read from its lock or from its file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rsweep.core.errors import RsweepError, StudyError
from rsweep.plan.config import read_config
from rsweep.plan.given import read_places
from rsweep.plan.study import MADE_OF, Study, make_study
from rsweep.results.lock import read_whole
from rsweep.verify.held import held_rows
from rsweep.verify.rebuilt import rebuilt_rows, sample
from rsweep.verify.rows import Row


def verify(
    folder: Path,
    study_file: Path | None = None,
    store: Path | None = None,
    share: float = 0.0,
    seed: int = 0,
) -> Iterator[Row]:
    """Everything that the lock of a folder of results pins, compared with what is there.

    Args:
        folder: such as results/demo.
        study_file: the study, where the lock does not hold it or its paths are others here.
        store: where stage files are, if not where the study says.
        share: part of the last stage's files to make again from scratch, 0 to 1.
        seed: of the choice.

    Raises:
        RsweepError: there is no lock, or no study that can be planned.
    """
    lock = read_whole(folder / "study.lock.json")
    study = _study(folder, lock, study_file, store)
    yield from held_rows(study, lock)
    if share:
        with TemporaryDirectory(prefix="rsweep-verify-") as scratch:
            yield from rebuilt_rows(study, lock, Path(scratch), sample(study, lock, share, seed))


def _study(folder: Path, lock: dict[str, Any], file: Path | None, store: Path | None) -> Study:
    where = str(file or folder / "study.lock.json")
    config = read_config(file) if file else dict(lock["config"])
    if not config:
        raise RsweepError(f"{where} does not hold the study; give it with --study FILE")
    config["results"], config["study"] = str(folder.parent), folder.name
    config.pop("published", None)  # what is verified does not depend on it
    config["frozen"] = True  # what is there is compared as the lock names it
    config.pop("lock", None)
    asked = config.get("given") or []
    config["given"] = [given for given in asked if _at_hand(given)]
    bare = asked and not config["given"] and not any(config.get(name) for name in MADE_OF)
    if store:
        config["store"] = str(store)
    try:
        study = make_study(config, where)
        return replace(study, profiles=()) if bare else study  # which would be its base alone
    except StudyError as error:
        if file:
            raise
        raise RsweepError(
            f"{error}\nthe lock keeps no absolute paths: --study FILE names the study here"
        ) from None


def _at_hand(given: Any) -> bool:
    """True if embeddings that others computed can be read again; a crate does not hold them.

    The folder of a lock's `{id}.tif` is not known, since locks keep no absolute paths.
    """
    places = read_places(str(given.get("path", "")), str(given.get("decode", "none")))
    return all(place.exists() and place != Path() for place in places)
