"""Getting what a recipe needs: fetched where that is allowed, else asked of the person."""

from __future__ import annotations

import shutil
from pathlib import Path

from huggingface_hub import snapshot_download

from rsweep.core.digests import known_sha256
from rsweep.core.errors import RsweepError
from rsweep.core.files import replacing_folder
from rsweep.models.transfer import fetch
from rsweep.recipes.recipe import DATA, Recipe, Source


def obtain(recipe: Recipe, offline: bool = False) -> None:
    """Have all of a recipe's data in place.

    Args:
        recipe: it.
        offline: fetch nothing.

    Raises:
        RsweepError: something is not here and cannot be fetched, or is not what its sha256 says;
            names all such things, with where to get each and where to put it.
    """
    problems = []
    for source in recipe.data:
        try:
            _obtain_one(recipe, source, offline)
        except RsweepError as error:
            problems.append(
                f"  {source.name}: {error}\n    get it at {source.where}\n"
                f"    put it at {recipe.place(source)}"
            )
    if problems:
        raise RsweepError(
            f"{recipe.folder}: {len(problems)} of {len(recipe.data)} things that it "
            "needs are not here\n" + "\n".join(problems)
        )


def _obtain_one(recipe: Recipe, source: Source, offline: bool) -> None:
    place = recipe.place(source)
    if not place.exists():
        if offline or not (source.url or source.hub):
            raise RsweepError(
                "is not there"
                if source.url or source.hub
                else "is not there, and rsweep may not fetch it"
            )
        _fetch(recipe, source, place)
    if place.is_dir() and not any(place.iterdir()):
        raise RsweepError(f"{place} is empty")
    known = source.sha256 or source.sha256_starts
    if known and not source.unpack:
        check_sha256(place, known)


def check_sha256(path: Path, expected: str) -> None:
    """Refuse a file whose sha256 does not start with what is expected of it.

    Raises:
        RsweepError: it does not.
    """
    if not path.is_file():
        raise RsweepError(f"{path} is a folder; expected a file")
    found = known_sha256(path)
    if not found.startswith(expected):
        raise RsweepError(
            f"{path}: expected sha256 {expected}, found {found} ({path.stat().st_size} bytes)"
        )


def _fetch(recipe: Recipe, source: Source, place: Path) -> None:
    if source.hub:
        _from_hub(source, place)
    elif source.unpack:
        archive = recipe.folder / DATA / "archives" / Path(source.url).name
        fetch(source.url, archive, source.sha256 or None)
        with replacing_folder(place) as temporary:
            _unpack(archive, temporary)
    else:
        fetch(source.url, place, source.sha256 or None)


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack; what a tar would put outside the folder is refused, as zip does by itself."""
    if archive.suffix == ".zip":
        shutil.unpack_archive(archive, folder)
    else:
        shutil.unpack_archive(archive, folder, filter="data")


def _from_hub(source: Source, place: Path) -> None:
    try:
        with replacing_folder(place) as temporary:
            snapshot_download(
                source.hub,
                repo_type="dataset",
                revision=source.revision,
                allow_patterns=list(source.files) or None,
                local_dir=temporary,
            )
            shutil.rmtree(temporary / ".cache", ignore_errors=True)
    except Exception as error:  # the HTTP library below, and so its errors, differ by version
        raise RsweepError(f"{source.hub} cannot be fetched from the hub: {error}") from error
