"""`rsweep describe`: the models there are, and what one expects."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from rsweep.core.errors import RsweepError
from rsweep.plan.catalogue import multi_model_families
from rsweep.plan.reruns import reruns
from rsweep.report import words
from rsweep.report.compare import HEADS, cells, compare
from rsweep.report.facts import card_facts, find_model
from rsweep.report.text_page import WIDTH, pairs, render, table

HARD = "\N{NO-BREAK SPACE}"

Facts = dict[str, Any]


def list_models(sensors: Sequence[str] = (), licence: str = "", as_json: bool = False) -> str:
    """Models side by side, all or those that fit (see `compare`): a table, or JSON for programs.

    Raises:
        RsweepError: there is no such sensor.
    """
    found = compare(sensors, licence)
    if as_json:
        return json.dumps([asdict(row) for row in found], indent=1)
    rows = [cells(row) for row in found]
    if not sensors and not licence:
        rows += [[f"{f}:NAME", f"any {f} network", *[""] * 6] for f in multi_model_families()]
    return render([table(HEADS, rows), Text(f"{NOTE}\nrsweep describe MODEL says all about one.")])


NOTE = (
    "By default settings: pixels on the ground times pixels per token; operations of the forward "
    "pass alone, tiles side by side (frames of a year where the window decides)."
)


def describe_model(model: str, as_json: bool = False) -> str:
    """All that a study can set of a model and what it expects: a page, or JSON for programs.

    Raises:
        RsweepError: there is no such model; the text has the nearest name.
    """
    if model in multi_model_families():
        raise RsweepError(f"model {model!r} is a family of many: describe one as {model}:NAME")
    card = find_model(model)
    facts, found = card_facts(card), reruns(card.id)
    for knob in (*facts["knobs"]["own"], *facts["knobs"]["shared"]):
        knob["reruns"] = list(found[knob["name"]])
    return json.dumps(facts, indent=1) if as_json else render(list(_page(facts)))


def _page(facts: Facts) -> Iterator[RenderableType]:
    yield _head(facts)
    for title, parts in (
        ("Input", [_modalities(facts), pairs(_contract(facts))]),
        ("Normalisations", list(_normalizations(facts))),
        ("Variants", [_variants(facts)]),
        ("Own knobs", [_knobs(facts["knobs"]["own"])]),
        ("Shared knobs that depend on the model", [_knobs(_depending(facts)), _others(facts)]),
        ("Constraints, with all else at its default", [_constraints(facts)]),
        ("Output", [_groups(facts), pairs(_outputs(facts))]),
        ("Trained on", [_envelope(facts)]),
        ("Provenance", [pairs(_provenance(facts))]),
    ):
        if any(part is not None for part in parts):
            yield Text(f"\n{title}", style="bold")
            yield from (Padding(part, (0, 0, 0, 2)) for part in parts if part is not None)


def _head(facts: Facts) -> RenderableType:
    head = Text()
    head.append(facts["id"], style="bold")
    return head.append(f"  {facts['title']}\n{facts['paper']}")


def _modalities(facts: Facts) -> Table:
    rows = []
    for name, modality in facts["modalities"].items():
        for sensor in modality["sensors"]:
            free = "any" if sensor["bands_free"] else "these"
            bands = " ".join(sensor["bands"])
            fit = ", ".join(modality["normalizations"])
            rows.append([name, sensor["sensor"], bands, free, sensor["unit"], fit])
    heads = ("modality", "sensor", "bands in order", "`bands`", "unit", "normalizations")
    return table(heads, rows)


def _contract(facts: Facts) -> list[tuple[str, str]]:
    side = [f"{name} ({what})" for name, what in facts["side_inputs"].items()]
    return [
        ("default", f"{words.input_text(facts)}, {facts['input']['scale_m']:g} m"),
        ("providers", words.providers_text(facts)),
        ("frames", words.frames_text(facts)),
        ("also reads", "; ".join(side) or "nothing but pixels"),
    ]


def _normalizations(facts: Facts) -> Iterator[RenderableType]:
    for name, by_sensor in facts["normalizations"].items():
        for sensor, n in by_sensor.items():
            rows = [("how", words.formula(n)), ("source", n["source"])]
            label = "bands" if n["kind"] == "tile_zscore" else "mean / std"
            rows.append((label, _unbroken(words.constants(n))))
            yield Text(f"{name}, {sensor}", style="bold cyan")
            yield Padding(pairs(rows), (0, 0, 0, 2))


def _unbroken(parts: Sequence[str]) -> str:
    """Parts in lines, none broken across two."""
    text = "; ".join(part.replace(" ", HARD) for part in parts)
    return textwrap.fill(text, WIDTH - 20, break_long_words=False).replace(HARD, " ")


def _variants(facts: Facts) -> Table:
    rows = [
        [
            name,
            v["width"] or "-",
            v["depth"],
            v["heads"] or "-",
            f"{v['parameters_m']:g}",
            words.checkpoint_text(v["checkpoint"]),
        ]
        for name, v in facts["variants"].items()
    ]
    return table(("variant", "width", "depth", "heads", "params (M)", "checkpoint"), rows)


def _depending(facts: Facts) -> list[Facts]:
    return [knob for knob in facts["knobs"]["shared"] if knob["depends"]]


def _others(facts: Facts) -> RenderableType:
    same = ", ".join(knob["name"] for knob in facts["knobs"]["shared"] if not knob["depends"])
    return pairs([("the same for all", f"{same}: see docs/settings.md")])


def _knobs(knobs: Sequence[Facts]) -> Table | None:
    rows = [
        [
            k["name"],
            *(k["reruns"] or ["nothing"])[:1],
            words.value_text(k["default"]),
            words.allowed_text(k),
            k["meaning"],
        ]
        for k in knobs
    ]
    return table(("knob", "reruns from", "default", "allowed", "meaning"), rows) if rows else None


def _constraints(facts: Facts) -> Table | None:
    rows = [[c["knob"], c["takes"], c["example"]] for c in facts["constraints"]]
    return table(("knob", "takes", "otherwise, for instance"), rows) if rows else None


def _groups(facts: Facts) -> Table:
    rows = [
        [name, group["name"], f"{group['patch_px']} px", f"{group['side']} x {group['side']}"]
        for name, groups in facts["token_groups"].items()
        for group in groups
    ]
    return table(("modality", "token group", "token", "tokens of a tile"), rows)


def _outputs(facts: Facts) -> list[tuple[str, str]]:
    vectors = [f"{name} ({what})" for name, what in facts["vectors"].items()]
    layers = facts["layers"]
    span = ", ".join(layers) if len(layers) < 8 else f"{layers[0]} to {layers[-1]}"
    return [("vectors", ", ".join(vectors) or "none of its own"), ("layers", span)]


def _envelope(facts: Facts) -> Table | None:
    lines = words.envelope_lines(facts["envelope"])
    return pairs(lines) if lines else None


def _provenance(facts: Facts) -> list[tuple[str, str]]:
    return [
        ("weights", ", ".join(facts["weights"])),
        ("licence of code", facts["licence"]["code"]),
        ("licence of weights", facts["licence"]["weights"]),
        ("pre-training", facts["pretraining"]),
        ("notes", facts["notes"]),
    ]
