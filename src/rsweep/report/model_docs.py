"""docs/models, from the model cards: `python -m rsweep.report.model_docs docs/models`."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rsweep.models.card import ModelCard
from rsweep.plan.catalogue import cards, multi_model_families
from rsweep.report import words
from rsweep.report.facts import card_facts, find_model
from rsweep.report.markdown import code, codes, heading, table

Facts = Mapping[str, Any]

EXAMPLES: Mapping[str, str] = {"timm": "timm:vit_tiny_patch16_224"}
"""A family of many models has the page of one of them."""

COSTS = Path(__file__).parents[3] / "benchmarks" / "results" / "knobs.csv"
"""What benchmarks/knobs.py measured; in a checkout, not in an installed package."""


def model_pages() -> dict[str, str]:
    """File name -> text of every page."""
    facts = {name: card_facts(card) for name, card in _pages().items()}
    pages = {f"{name}.md": _joined(_page(name, found)) for name, found in facts.items()}
    return {"README.md": _index(facts), **pages}


def _joined(parts: Iterator[str]) -> str:
    return "".join(parts).replace("\n\n\n", "\n\n")


def _pages() -> dict[str, ModelCard]:
    found = {card.id: card for card in cards()}
    examples = {f: find_model(EXAMPLES[f]) for f in multi_model_families() if f in EXAMPLES}
    return dict(sorted({**found, **examples}.items()))


def _index(pages: Mapping[str, Facts]) -> str:
    rows = [
        [
            f"[{name}]({name}.md)",
            facts["title"],
            ", ".join(facts["modalities"]),
            words.input_text(facts),
            facts["licence"]["weights"],
        ]
        for name, facts in pages.items()
    ]
    heads = ["model", "title", "modalities", "default input", "licence of weights"]
    return f"{_made()}# Models\n\n{table(heads, rows)}"


def _made() -> str:
    return (
        "<!-- Made from the model cards by `python -m rsweep.report.model_docs docs/models`; a "
        "test keeps it in step. -->\n"
    )


def _page(name: str, facts: Facts) -> Iterator[str]:
    yield f"{_made()}# {facts['title']}\n\n`model: {facts['id']}`. {facts['paper']}\n"
    if name != facts["id"]:
        yield f"\n`{name}:NAME` is any network of {name}; this page is that of one of them.\n"
    yield heading(2, "Input") + "\n" + _modalities(facts)
    yield f"\n- By default: {words.input_text(facts)}, {facts['input']['scale_m']:g} m per pixel.\n"
    yield f"- Providers: {words.providers_text(facts)}.\n"
    yield f"- Frames: {words.frames_text(facts)}.\n"
    yield f"- Beside pixels it reads: {_side_inputs(facts)}.\n"
    yield heading(2, "Tokens")
    yield f"\n![Token layout of {facts['id']}]({name}.svg)\n\n" + _tokens(facts)
    yield heading(2, "Knobs") + "\n" + "".join(_knobs(facts))
    yield _costs(name)
    yield heading(2, "Normalisations") + "\n" + "".join(_normalizations(facts))
    yield heading(2, "Variants and weights") + "\n" + _variants(facts)
    yield _envelope(facts)
    yield heading(2, "Licence and origin") + "\n" + _origin(facts)
    yield heading(2, "Notes") + f"\n{facts['notes'] or 'None.'}\n"


def _modalities(facts: Facts) -> str:
    rows = [
        [
            code(name),
            sensor["sensor"],
            " ".join(sensor["bands"]),
            sensor["unit"],
            "any list" if sensor["bands_free"] else "these",
            codes(modality["normalizations"]),
        ]
        for name, modality in facts["modalities"].items()
        for sensor in modality["sensors"]
    ]
    heads = ["modality", "sensor", "bands in order", "unit", "`bands` may be", "normalizations"]
    return table(heads, rows)


def _side_inputs(facts: Facts) -> str:
    found = [f"{code(name)} ({what})" for name, what in facts["side_inputs"].items()]
    return ", ".join(found) or "nothing"


def _tokens(facts: Facts) -> str:
    rows = [
        [
            code(modality),
            code(group["name"]),
            f"{group['patch_px']} px",
            f"{group['side']} x {group['side']}",
        ]
        for modality, groups in facts["token_groups"].items()
        for group in groups
    ]
    vectors = [f"{code(name)} ({what})" for name, what in facts["vectors"].items()]
    return (
        table(["modality", "token group", "token", "tokens of a tile"], rows)
        + f"\n- Vectors of its own: {', '.join(vectors) or 'none'}.\n"
        + f"- Layers: {codes(facts['layers'])}.\n"
    )


def _knobs(facts: Facts) -> Iterator[str]:
    knobs = facts["knobs"]["own"] + [k for k in facts["knobs"]["shared"] if k["depends"]]
    rows = [
        [
            code(k["name"]),
            k["stage"],
            code(words.value_text(k["default"])),
            words.allowed_text(k),
            k["meaning"],
        ]
        for k in knobs
    ]
    yield table(["knob", "stage", "default", "allowed", "meaning"], rows)
    yield "\nAll other knobs are the same for every model: see [settings](../settings.md).\n"
    if facts["constraints"]:
        yield "\nWith all else at its default:\n\n"
        limits = [[code(c["knob"]), c["takes"], c["example"]] for c in facts["constraints"]]
        yield table(["knob", "takes", "otherwise, for instance"], limits)


def _costs(name: str) -> str:
    """What a tile costs as one knob changes, if that has been measured."""
    measured = csv.DictReader(COSTS.read_text().splitlines()) if COSTS.exists() else ()
    found = [row for row in measured if row["model"] == name]
    if not found:
        return ""
    about = found[0]
    rows = [
        [
            ("" if row["first"] == "True" else "… ") + row["changed"],
            *(row[column] for column in ("token_map", "mb", "gflop", "seconds", "times_first")),
        ]
        for row in found
    ]
    heads = ["setting", "token map of a tile", "MB", "GFLOP", "s on one core", "times the first"]
    return (
        heading(2, "What a tile costs")
        + "\nEach row changes the first in one knob; stitch knobs cost no inference. "
        + f"`python benchmarks/knobs.py` on {about['machine']}, torch {about['torch']}, "
        + f"with a load of {about['load']}.\n\n"
        + table(heads, rows)
    )


def _normalizations(facts: Facts) -> Iterator[str]:
    for name, by_sensor in facts["normalizations"].items():
        for sensor, n in by_sensor.items():
            yield f"**`{name}`**, {sensor}: {words.formula(n)}.\nSource: {n['source']}.\n\n"
            if n["kind"] == "affine":
                rows = [
                    [
                        band,
                        words.number(mean),
                        words.number(n["std"][band]),
                        words.number(n["missing"].get(band, mean)),
                    ]
                    for band, mean in n["mean"].items()
                ]
                yield table(["band", "mean", "std", "missing pixel"], rows) + "\n"


def _variants(facts: Facts) -> str:
    rows = [
        [
            code(name),
            v["width"] or "-",
            v["depth"],
            v["heads"] or "-",
            f"{v['parameters_m']:g}",
            words.checkpoint_text(v["checkpoint"]),
        ]
        for name, v in facts["variants"].items()
    ]
    heads = ["variant", "width", "depth", "heads", "parameters (M)", "checkpoint"]
    return table(heads, rows) + f"\n`weights`: {codes(facts['weights'])}.\n"


def _envelope(facts: Facts) -> str:
    lines = words.envelope_lines(facts["envelope"])
    if not lines:
        return ""
    told = "".join(f"- {what.capitalize()}: {text}.\n" for what, text in lines)
    return (
        heading(2, "Trained on") + "\n" + told + "\nA profile that leaves this runs, and "
        "`rsweep validate`, `sweep.csv` and the report say so.\n"
    )


def _origin(facts: Facts) -> str:
    licence = facts["licence"]
    return (
        f"- Code: {licence['code']}.\n- Weights: {licence['weights']}.\n"
        f"- Pre-training: {facts['pretraining']}.\n"
    )


def write_pages(folder: Path) -> None:
    """Write every page and its picture."""
    from rsweep.report.token_layout import draw_layout

    folder.mkdir(parents=True, exist_ok=True)
    for name, text in model_pages().items():
        (folder / name).write_text(text)
    for name, card in _pages().items():
        draw_layout(card_facts(card), folder / f"{name}.svg")


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]))
