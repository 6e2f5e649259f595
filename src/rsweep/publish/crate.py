"""A study as a Workflow Run RO-Crate 0.5: a folder whose metadata says what each file is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import snakemake

import rsweep
from rsweep.core.errors import RsweepError
from rsweep.models.card import ModelCard
from rsweep.publish.citations import (
    bibtex,
    citation_file,
    data_bibtex,
    given_bibtex,
    licences,
    model_cards,
)
from rsweep.publish.files import copy_study

PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
FORMATS = {
    ".json": "application/json",
    ".csv": "text/csv",
    ".yaml": "application/yaml",
    ".html": "text/html",
    ".png": "image/png",
    ".tif": "image/tiff",
    ".parquet": "application/vnd.apache.parquet",
    ".md": "text/markdown",
    ".bib": "text/x-bibtex",
    ".cff": "application/yaml",
    ".lock": "text/plain",
    ".geojson": "application/geo+json",
}
UNSTATED = "No licence is stated"


@dataclass(frozen=True)
class Names:
    """Who publishes a study, and how it may be used; empty where that is not said."""

    authors: Sequence[str] = ()
    licence: str = ""
    anonymous: bool = False


def write_crate(results: Path, study_file: Path, out: Path, names: Names) -> None:
    """Write a study with its results as a crate in a new folder.

    Raises:
        RsweepError: what belongs in it is not there, or authors are named in an anonymous one.
    """
    if names.anonymous and names.authors:
        raise RsweepError("--anonymous and --author exclude each other")
    lock = copy_study(results, study_file, out, names.anonymous)
    cards = model_cards(lock)
    (out / "citations.bib").write_text(
        "\n".join(filter(None, [bibtex(cards), data_bibtex(lock), given_bibtex(lock)]))
    )
    (out / "LICENCES.md").write_text(licences(lock, cards))
    cff = citation_file(results.name, names.authors, names.licence)
    (out / "CITATION.cff").write_text(cff)
    _describe(out, results.name, cards, names)


def _describe(out: Path, study: str, cards: Sequence[ModelCard], names: Names) -> None:
    """Write ro-crate-metadata.json about what is in a folder.

    Raises:
        RsweepError: the package rocrate is not installed.
    """
    try:
        from rocrate.rocrate import ROCrate
    except ImportError as error:
        raise RsweepError("a crate needs: pip install 'rsweep[publish]'") from error
    crate, when = ROCrate(version="1.1"), _written(out / "results" / study)
    crate.name = f"Study {study}"
    crate.description = "Embeddings of places under several settings, compared, and what ran."
    crate.datePublished = when
    crate.license = _licence(crate, names.licence)
    workflow = _workflow(crate, out)
    entities = {path: _add_file(crate, out, path) for path in _listed(out)}
    study_file, rois = entities["study.yaml"], [e for p, e in entities.items() if p[:5] == "rois/"]
    results = [e for p, e in entities.items() if p.startswith("results/")]
    _formal(crate, workflow, "input", "study", study_file)
    _formal(crate, workflow, "input", "rois", rois[0])
    lock = entities[f"results/{study}/study.lock.json"]
    _formal(crate, workflow, "output", "lock", lock)
    _action(crate, workflow, names, when, [study_file, *rois], results)
    crate.root_dataset["mentions"] = [
        *crate.root_dataset.get("mentions", []),
        *(_model(crate, card) for card in cards),
    ]
    crate.root_dataset["conformsTo"] = [_profile(crate, url) for url in PROFILES]
    crate.metadata.write(str(out))


def _written(results: Path) -> str:
    """When the results were written, so that one study gives one crate."""
    files = [*results.glob("profiles/*/meta.json"), *results.glob("given/*/meta.json")]
    metas = [json.loads(path.read_text()) for path in files]
    return str(max(meta["versions"]["written"] for meta in metas))


def _listed(out: Path) -> list[str]:
    paths = (path.relative_to(out).as_posix() for path in sorted(out.rglob("*")) if path.is_file())
    return [path for path in paths if path != "workflow/Snakefile"]


def _add_file(crate: Any, out: Path, path: str) -> Any:
    size = (out / path).stat().st_size
    kind = FORMATS.get(Path(path).suffix, "text/plain")
    about = {"name": path, "encodingFormat": kind, "contentSize": str(size)}
    return crate.add_file(out / path, path, properties=about)


def _workflow(crate: Any, out: Path) -> Any:
    about = {
        "name": "rsweep",
        "version": rsweep.__version__,
        "description": "Sweeps of remote-sensing embeddings",
    }
    found = crate.add_workflow(
        out / "workflow/Snakefile",
        "workflow/Snakefile",
        main=True,
        lang="snakemake",
        lang_version=snakemake.__version__,
        properties=about,
    )
    found["license"] = "https://spdx.org/licenses/Apache-2.0"
    return found


def _formal(crate: Any, workflow: Any, side: str, name: str, example: Any) -> None:
    """A parameter of the workflow, and the file that it was in this run."""
    parameter = _entity(
        crate,
        f"#param-{name}",
        "FormalParameter",
        name=name,
        additionalType="File",
        workExample=example,
    )
    parameter["conformsTo"] = _entity(
        crate,
        "https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE",
        "CreativeWork",
        name="FormalParameter",
        version="1.0-RELEASE",
    )
    workflow.append_to(side, parameter)
    example["exampleOfWork"] = parameter


def _action(
    crate: Any, workflow: Any, names: Names, when: str, inputs: list[Any], results: list[Any]
) -> None:
    agents = [
        _entity(crate, f"#author-{i}", "Person", name=name) for i, name in enumerate(names.authors)
    ]
    if agents:
        crate.root_dataset["author"] = agents
    action = _entity(
        crate,
        "#run",
        "CreateAction",
        name="Run of the study",
        description="All stages, evaluation, tables and report",
        endTime=when,
        instrument=workflow,
        object=inputs,
        result=results,
        actionStatus="http://schema.org/CompletedActionStatus",
        **({"agent": agents} if agents else {}),
    )
    crate.root_dataset["mentions"] = [action]


def _model(crate: Any, card: ModelCard) -> Any:
    return _entity(
        crate,
        f"#model-{card.id}",
        "CreativeWork",
        name=card.title,
        citation=card.paper,
        license=card.licence_weights,
    )


def _profile(crate: Any, url: str) -> Any:
    name, version = PROFILES[url]
    return _entity(crate, url, "CreativeWork", name=name, version=version)


def _licence(crate: Any, licence: str) -> Any:
    if licence:
        url = f"https://spdx.org/licenses/{licence}"
        return _entity(crate, url, "CreativeWork", name=licence, description=licence)
    about = "Ask who made these results; for weights and data see LICENCES.md"
    return _entity(crate, "#licence", "CreativeWork", name=UNSTATED, description=about)


def _entity(crate: Any, at: str, kind: str, **properties: Any) -> Any:
    from rocrate.model.contextentity import ContextEntity

    return crate.add(ContextEntity(crate, at, properties={"@type": kind, **properties}))
