"""Whom to cite for a study, and under which licences its weights and data are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from rsweep.models.card import ModelCard
from rsweep.models.registry import find_card
from rsweep.publish.datasets import entries

ARXIV = re.compile(r"arxiv[:.](?:org/abs/)?\s?(\d{4}\.\d{4,5})", re.IGNORECASE)
ADDRESS = re.compile(r"https?://\S+")
SENSOR_TERMS = {
    "s1": "Copernicus Sentinel data: free, full and open (Regulation EU 1159/2013); name them as "
    '"contains modified Copernicus Sentinel data [year]"',
    "s2": "Copernicus Sentinel data: free, full and open (Regulation EU 1159/2013); name them as "
    '"contains modified Copernicus Sentinel data [year]"',
    "landsat": "Landsat, U.S. Geological Survey: public domain",
    "modis": "MODIS, NASA: free and open",
}
"""Terms of a sensor's own archive, by the start of its name; a mirror may add its own."""

Lock = Mapping[str, Any]


def model_cards(lock: Lock) -> list[ModelCard]:
    """The cards of the models of a study."""
    names = {node["settings"]["model"] for node in _nodes(lock, "infer")}
    return [find_card(name) for name in sorted(names)]


def _nodes(lock: Lock, stage: str) -> Iterable[Mapping[str, Any]]:
    return (node for node in lock["nodes"].values() if node["stage"] == stage)


def given_bibtex(lock: Lock) -> str:
    """An entry per set of embeddings that others computed, of the paper that the study names."""
    told = {own["section"]: own["paper"] for own in lock["given"].values() if own.get("paper")}
    return "\n".join(_misc(name, {"title": f"{{Embeddings {name}}}"}, told[name]) for name in told)


def bibtex(cards: Sequence[ModelCard]) -> str:
    """An entry per model, of what its card says of its paper."""
    return "\n".join(_entry(card) for card in cards)


def data_bibtex(lock: Lock) -> str:
    """An entry per data set that a study read, and per service that asks to be cited."""
    return entries(node["settings"] for node in _nodes(lock, "fetch"))


def _entry(card: ModelCard) -> str:
    return _misc(card.id, {"title": f"{{{card.title}}}"}, card.paper)


def _misc(name: str, fields: dict[str, str], paper: str) -> str:
    fields = {**fields, "note": paper}
    if found := ARXIV.search(paper):
        fields |= {
            "eprint": found[1],
            "archiveprefix": "arXiv",
            "url": f"https://arxiv.org/abs/{found[1]}",
        }
    elif address := ADDRESS.search(paper):
        fields["url"] = address[0]
    lines = "".join(f"  {field} = {{{value}}},\n" for field, value in fields.items())
    return f"@misc{{{re.sub(r'[^a-z0-9]+', '_', name.lower())},\n{lines}}}\n"


def licences(lock: Lock, cards: Sequence[ModelCard]) -> str:
    """A page of the licences of weights and data, as far as they are known."""
    lines = ["# Licences", "", "Of the models:", ""]
    lines += [f"- {c.title}: weights: {c.licence_weights}; code: {c.licence_code}" for c in cards]
    lines += ["", "Of the data:", ""]
    lines += [f"- {name}: {terms}" for name, terms in sorted(data_terms(lock).items())]
    if lock["given"]:
        lines += ["", "Of embeddings that others computed:", ""]
        unknown = "not known to rsweep; ask who made them"
        told = {own["section"]: own.get("licence") for own in lock["given"].values()}
        lines += [f"- {name}: {terms or unknown}" for name, terms in told.items()]
    return "\n".join(lines) + "\n"


def data_terms(lock: Lock) -> dict[str, str]:
    """Collection -> under which terms its data are."""
    found = {}
    for node in _nodes(lock, "fetch"):
        own = node["settings"]
        name = f"{own['provider']}: {own['collection']}"
        found[name] = _terms(own["provider"], own["sensor"])
    return found


def _terms(provider: str, sensor: str) -> str:
    if provider == "synthetic":
        return "made by rsweep, no satellite data: no rights are claimed"
    known = (terms for start, terms in SENSOR_TERMS.items() if sensor.startswith(start))
    return next(known, "not known to rsweep; see who provides it")


def citation_file(study: str, authors: Sequence[str], licence: str) -> str:
    """CITATION.cff of a study's results."""
    found = {
        "cff-version": "1.2.0",
        "type": "dataset",
        "message": "If you use these results, cite them and the works in citations.bib.",
        "title": f"Embeddings and comparisons of study {study}",
        "authors": [{"name": name} for name in authors or (f"The authors of study {study}",)],
    }
    if licence:
        found["license"] = licence
    return yaml.safe_dump(found, sort_keys=False, allow_unicode=True)
