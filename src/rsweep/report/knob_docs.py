"""docs/settings.md, from the knob table: `python -m rsweep.report.knob_docs > docs/settings.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence

from rsweep.core.knobs import Setting
from rsweep.plan import evaluation, given, race
from rsweep.plan.catalogue import cards
from rsweep.plan.reruns import reruns
from rsweep.plan.study import OPTIONS
from rsweep.report import words
from rsweep.report.markdown import code, codes, heading, table
from rsweep.sources.registry import PROVIDERS, find_provider
from rsweep.stages.registry import STAGES

INTRODUCTION = """\
<!-- Made from the knob table by `python -m rsweep.report.knob_docs`; a test keeps it in step. -->
# Settings

A knob is set under `base` for every profile, or in a block of `sweep` or a named profile for some;
in a sweep block any knob may be a list. An unset knob has its default, which may be the model's:
`rsweep describe MODEL` shows it. A value is one value however it is written: 224, 224.0 and "224".

A knob is declared by the stage that it is about. Changing it runs again the stages whose keys it
changes, for the profiles that it changes, and nothing else. The last column says from which stage
on: found by changing the knob, for each model and all else at its default, and comparing keys; of
models that differ, the one that reruns most counts (`rsweep describe MODEL` says it of one). A knob
that the other settings leave unread (`tile_overlap` under `input_prep: resize`) reruns nothing.
"""


def settings_page() -> str:
    """All of docs/settings.md."""
    return "".join(_parts())


def _parts() -> Iterator[str]:
    yield INTRODUCTION
    models = [card.id for card in cards()]
    for stage in STAGES.values():
        yield heading(2, stage.name.capitalize())
        yield f"\n{stage.about}\n\n"
        yield knob_table(stage.knobs, models)
    yield from _own_knobs()
    yield from _providers()
    yield heading(2, "The study")
    yield "\nKeys at the top of a study file. None changes an embedding.\n\n"
    yield knob_table(OPTIONS.values())
    yield heading(2, "The design of a sweep")
    yield (
        "\nUnder `sweep`, beside `blocks` with what would else be the whole of `sweep`; see "
        "[race](race.md).\n\n"
    )
    yield knob_table(race.OPTIONS.values())
    yield heading(2, "Evaluation")
    yield "\nUnder `evaluate`: probes that predict a column of the ROI table.\n\n"
    yield knob_table(evaluation.OPTIONS.values())
    yield heading(2, "Given embeddings")
    yield "\nOf each entry of the list `given`: embeddings that others computed.\n\n"
    yield knob_table(given.OPTIONS.values())


def _own_knobs() -> Iterator[str]:
    yield heading(2, "Knobs of one model")
    for card in cards():
        if card.knobs:
            yield heading(3, card.id) + "\n" + knob_table(card.knobs, [card.id])


def _providers() -> Iterator[str]:
    yield heading(2, "Options of the providers")
    yield (
        "\nUnder the provider's name, as in `local: {path: scenes}`. An option is in the key of "
        "fetch if it changes pixels.\n"
    )
    for provider in PROVIDERS:
        yield heading(3, provider) + "\n" + knob_table(find_provider(provider).options)


def knob_table(knobs: Iterable[Setting], models: Sequence[str] = ()) -> str:
    """A row per knob: name, type and unit, default, allowed values, meaning.

    With models also the first stage that a change runs again, of the model that reruns most.
    """
    heads = ["knob", "type", "default", "allowed", "meaning"]
    rows = []
    for knob in knobs:
        later = [_first(knob.name, models)] if models else []
        facts = words.knob_facts(knob)
        unit = f", {knob.unit}" if knob.unit else ""
        rows.append(
            [
                code(knob.name),
                words.KINDS[knob.kind] + unit,
                _default(facts["default"]),
                _allowed(knob, facts),
                knob.meaning,
                *later,
            ]
        )
    return table([*heads, "reruns from"] if models else heads, rows)


def _first(knob: str, models: Sequence[str]) -> str:
    first = {stages[0] for model in models if (stages := reruns(model).get(knob))}
    return next((stage for stage in STAGES if stage in first), "nothing")


def _default(value: object) -> str:
    text = words.value_text(value)
    return text if value in (None, {}, "the model's") else code(text) if text else "empty"


def _allowed(knob: Setting, facts: Mapping[str, object]) -> str:
    if knob.allowed:
        return codes([*knob.allowed, *knob.words])
    bounded = knob.minimum is not None or knob.maximum is not None
    return words.allowed_text(facts) if bounded else ""


if __name__ == "__main__":
    sys.stdout.write(settings_page())
