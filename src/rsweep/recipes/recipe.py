"""A recipe: the folder of a published table that can be made again; its recipe.yaml, read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from rsweep.core.errors import RsweepError
from rsweep.core.knobs import nearest
from rsweep.plan.config import read_config

FILE = "recipe.yaml"
DATA = "data"
"""Folder inside a recipe where its data lie; never committed."""


@dataclass(frozen=True)
class Source:
    """One thing that a recipe needs and does not hold.

    Attributes:
        name: it, in words.
        to: file or folder below the recipe's `data/`.
        licence: under which it may be used.
        where: where a person gets it, in words or as an address.
        url: address of one file that is fetched.
        unpack: the file at `url` is an archive, which is unpacked to the folder `to`.
        hub: data set repository on the Hugging Face hub that is fetched.
        revision: commit of `hub`.
        files: patterns of the files of `hub` that are needed; none for all.
        sha256: of the file (of the archive where it is unpacked); "" where nobody has stated it.
        sha256_starts: its first digits where no more is stated: torch's hub has eight in names.
        bibtex: whom to cite.
    """

    name: str
    to: str
    licence: str
    where: str
    url: str = ""
    unpack: bool = False
    hub: str = ""
    revision: str = "main"
    files: Sequence[str] = ()
    sha256: str = ""
    sha256_starts: str = ""
    bibtex: str = ""


@dataclass(frozen=True)
class Recipe:
    """A published table, and what it takes to make it again.

    Attributes:
        folder: where it lies; its name is the recipe's.
        title: of the publication.
        paper: where it was published.
        bibtex: whom to cite.
        needs: accounts, disk, hours, GPU, in words.
        verified: how it was verified, in words.
        not_run: what it was not run on, in words; "" if it was run on everything.
        studies: study files in the folder, in the order in which they run.
        data: what it needs and does not hold.
        prepare: a script in the folder that makes tables of ROIs of the data, if one is needed.
    """

    folder: Path
    title: str
    paper: str
    bibtex: str
    needs: str
    verified: str
    not_run: str
    studies: Sequence[str]
    data: Sequence[Source] = ()
    prepare: str = ""

    def place(self, source: Source) -> Path:
        """Where a source lies."""
        return self.folder / DATA / source.to


T = TypeVar("T")


def read_recipe(folder: Path) -> Recipe:
    """The recipe in a folder.

    Raises:
        RsweepError: there is none, or it lacks something; names the file and the part.
    """
    path = folder / FILE
    if not path.is_file():
        raise RsweepError(f"{path} is not there; expected a folder such as recipes/pooling")
    told = dict(read_config(path))
    listed = told.pop("data", None) or []
    if not isinstance(listed, list) or not all(isinstance(each, Mapping) for each in listed):
        raise RsweepError(f"{path}: data: expected a list of mappings")
    sources = [
        _build(Source, {**each, "files": tuple(each.get("files", ()))}, f"{path}: data.{number}")
        for number, each in enumerate(listed)
    ]
    recipe = _build(Recipe, {**told, "folder": folder, "data": sources}, str(path))
    _check(recipe, path)
    return recipe


def _build(kind: type[T], told: Mapping[str, Any], where: str) -> T:
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    for name in told:
        if name not in known:
            raise RsweepError(f"{where}: {name} is not a part of it{nearest(name, known)}")
    missing = [n for n, f in known.items() if f.default is MISSING and told.get(n) is None]
    if missing:
        raise RsweepError(f"{where}: lacks {', '.join(missing)}")
    return kind(**told)


def _check(recipe: Recipe, path: Path) -> None:
    named = [*recipe.studies, *([recipe.prepare] if recipe.prepare else [])]
    for name in named:
        if not (recipe.folder / name).is_file():
            raise RsweepError(f"{path}: {recipe.folder / name} is not there")
    if not recipe.studies:
        raise RsweepError(f"{path}: studies: expected at least one study file")
    for source in recipe.data:
        if Path(source.to).is_absolute() or ".." in Path(source.to).parts:
            raise RsweepError(
                f"{path}: {source.name}: to is {source.to!r}; expected a path below "
                f"{recipe.folder / DATA}"
            )
        if source.url and source.hub:
            raise RsweepError(f"{path}: {source.name}: has both url and hub; expected one of them")
