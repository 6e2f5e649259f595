"""The JSON schema of a study file, for editors: made from the knob table and the model cards.

It says what one value may be. Whether a combination can run is for `rsweep validate`, which knows
all of it; the schema refuses no study that runs, save numbers in quotes and empty sections.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rsweep.core.knobs import MODEL, Setting
from rsweep.core.settings import by_name
from rsweep.models.card import ModelCard
from rsweep.plan import evaluation, given, race
from rsweep.plan.catalogue import allowed_values, cards, defaults, multi_model_families
from rsweep.plan.study import OPTIONS
from rsweep.plan.table import CORE
from rsweep.sources.registry import PROVIDERS, find_provider
from rsweep.stages.registry import STAGES

Schema = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"

TYPES: Mapping[str, Schema] = {
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "str": {"type": ["string", "number"]},
    "bool": {"type": "boolean"},
    "mapping": {"type": "object"},
}
NAMES: Schema = {
    "anyOf": [
        {"type": "array", "items": {"type": "string"}, "minItems": 1},
        {"type": "string", "minLength": 1},
    ]
}


def _closed(properties: Mapping[str, Any], *required: str) -> Schema:
    """An object with these properties and no other."""
    schema: Schema = {"type": "object", "properties": dict(properties)}
    if required:
        schema["required"] = list(required)
    return {**schema, "additionalProperties": False}


_DAY = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}"}
WINDOW: Schema = {
    "oneOf": [
        _closed({"start": _DAY, "end": {**_DAY, "description": "exclusive"}}, "start", "end"),
        _closed({"year": {"type": ["integer", "string"]}}, "year"),
    ]
}


def study_schema() -> Schema:
    """The schema (draft 2020-12) of a study file."""
    return {
        "$schema": DIALECT,
        "title": "rsweep study",
        "description": "A sweep of embedding settings; each knob is described in docs/settings.md",
        **_closed({**_options(), **_sections()}, "study", "rois"),
        "$defs": _definitions(),
    }


def _options() -> dict[str, Schema]:
    found = {name: knob_schema(knob) for name, knob in OPTIONS.items()}
    required = {name: {**found[name], "type": "string"} for name in ("study", "rois")}
    return {**found, **required, "temporal": {"$ref": "#/$defs/temporal"}}


def _sections() -> dict[str, Schema]:
    block = {"$ref": "#/$defs/block"}
    profile = {"anyOf": [{"$ref": "#/$defs/profile"}, {"type": "null"}]}
    keep = {"enum": ["keep", "temp"], "description": "temp: delete its files once they are read"}
    labels = {name: knob_schema(knob) for name, knob in evaluation.OPTIONS.items()}
    probes = {"type": "array", "items": {"enum": list(evaluation.PROBES)}, "minItems": 1}
    labels["probes"] = {**labels["probes"], "anyOf": [probes, {"type": "string"}]}
    labels |= {name: one_or_list(labels[name]) for name in evaluation.GRIDS}
    labels["label"]["type"] = "string"
    labels["label_raster"]["type"] = "string"
    labels["label_ignore"] |= {
        "anyOf": [{"type": "array", "items": {"type": "number"}}, {"type": "number"}]
    }
    count = {"type": "integer", "minimum": 1}
    labels["labels_per_class"] |= {
        "anyOf": [{"type": "array", "items": count}, count, {"type": "null"}]
    }
    return {
        "base": {
            **_closed(_references()),
            "description": "the baseline: settings of every profile that sets no other",
        },
        "sweep": {
            "description": "blocks whose lists are multiplied out into profiles, or a design "
            "with its blocks",
            "anyOf": [{"type": "array", "items": block}, block, _designed(block)],
        },
        "profiles": {
            "type": "object",
            "additionalProperties": profile,
            "description": "named profiles beside those of the sweep",
        },
        "given": {
            "type": "array",
            "description": "embeddings that others computed, judged like profiles",
            "items": _given(),
        },
        "evaluate": {
            **_closed(labels),
            "description": "what the embeddings are worth: probes that "
            "predict a column of the ROI table, or a raster",
            "anyOf": [{"required": ["label"]}, {"required": ["label_raster"]}],
        },
        "retain": {
            **_closed(dict.fromkeys([*STAGES][:-1], keep)),
            "description": "what happens to a stage's files once they have been read",
        },
    }


def _given() -> Schema:
    found = {name: knob_schema(option) for name, option in given.OPTIONS.items()}
    return _closed({**found, "pooling": one_or_list(found["pooling"])}, "name", "path")


def _designed(block: Schema) -> Schema:
    """A sweep that says how its profiles run, and its blocks if it has any."""
    own = {name: knob_schema(option) for name, option in race.OPTIONS.items()}
    share = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
    parts = [{"type": "array", "items": share, "minItems": 1}, share]
    own["parts"] |= {"anyOf": parts}
    blocks = {
        "description": "blocks whose lists are multiplied out into profiles",
        "anyOf": [{"type": "array", "items": block}, block],
    }
    return _closed({**own, race.BLOCKS: blocks}, "design")


def _definitions() -> dict[str, Schema]:
    return {
        **{name: _merged(variants) for name, variants in _knobs().items()},
        **{provider: _provider(provider) for provider in PROVIDERS},
        "temporal": {**WINDOW, "description": CORE["temporal"].meaning},
        "model": _model(),
        "profile": {**_closed(_references()), "allOf": _by_model(swept=False)},
        "block": {**_closed(_swept()), "allOf": _by_model(swept=True)},
    }


def _knobs() -> dict[str, list[Schema]]:
    """Name -> schemas of the knobs of that name, which differ where two models share a name."""
    found = {name: [knob_schema(knob)] for name, knob in CORE.items()}
    for name in ("variant", "modality", "normalization"):
        options = sorted({value for card in cards() for value in allowed_values(name, card)})
        # Models named by `family:name` may have others.
        word = {"anyOf": [{"enum": options}, {"type": "string"}]}
        found[name] = [{"description": found[name][0]["description"], **word}]
    for card in cards():
        for knob in card.knobs:
            own = knob_schema(knob)
            own["description"] = f"{card.id}: {own['description']}"
            found.setdefault(knob.name, []).append(own)
    return found


def _merged(variants: list[Schema]) -> Schema:
    if len(variants) == 1:
        return variants[0]
    text = "; ".join(schema["description"] for schema in variants)
    return {"description": text, "anyOf": variants}


def _references() -> dict[str, Schema]:
    return {name: {"$ref": f"#/$defs/{name}"} for name in _knobs()}


def _swept() -> dict[str, Schema]:
    return {name: one_or_list(reference) for name, reference in _references().items()}


def one_or_list(value: Schema) -> Schema:
    """One value of a knob, or a list of them to sweep over."""
    return {"anyOf": [value, {"type": "array", "items": value, "minItems": 1}]}


def _provider(provider: str) -> Schema:
    options = {knob.name: knob_schema(knob) for knob in find_provider(provider).options}
    return {**_closed(options), "description": CORE[provider].meaning}


def _model() -> Schema:
    known = [{"const": card.id, "title": card.title} for card in cards()]
    named = [{"type": "string", "pattern": f"^{family}:."} for family in multi_model_families()]
    return {
        "description": CORE["model"].meaning,
        "default": CORE["model"].default,
        "anyOf": [*known, *named],
    }


def _by_model(swept: bool) -> list[Schema]:
    """What a block or profile may say beside `model: thor`: THOR's variants, its knobs, ...."""
    return [
        {
            "if": {"properties": {"model": {"const": card.id}}, "required": ["model"]},
            "then": {"properties": _card_properties(card, swept)},
        }
        for card in cards()
    ]


def _card_properties(card: ModelCard, swept: bool) -> dict[str, Schema]:
    names = dict.fromkeys(["variant", "modality", "normalization", *card.allowed])
    preset = by_name(defaults(card))
    found: dict[str, Schema] = {
        name: {"enum": list(allowed_values(name, card)), "default": preset[name]} for name in names
    }
    found |= {knob.name: knob_schema(knob) for knob in card.knobs}
    return {name: one_or_list(schema) for name, schema in found.items()} if swept else found


def knob_schema(knob: Setting) -> Schema:
    """The schema of one value of a knob."""
    schema: Schema = {"description": _description(knob)}
    if knob.allowed:
        schema["enum"] = [*knob.allowed, *knob.words]
    else:
        schema |= _typed(knob)
    if knob.default is not MODEL and knob.default is not None:
        return {**schema, "default": knob.default}
    return {**schema, **_or_null(schema)}


def _description(knob: Setting) -> str:
    unit = f" ({knob.unit})" if knob.unit else ""
    return f"{knob.meaning}{unit}" + ("; default: the model's" if knob.default is MODEL else "")


def _typed(knob: Setting) -> Schema:
    if knob.kind == "names":
        return dict(NAMES)
    bounds = {"minimum": knob.minimum, "maximum": knob.maximum}
    number = {**TYPES[knob.kind], **{k: v for k, v in bounds.items() if v is not None}}
    return {"anyOf": [number, {"enum": list(knob.words)}]} if knob.words else number


def _or_null(schema: Schema) -> Schema:
    """An unset knob may be written as null."""
    if "enum" in schema:
        return {"enum": [*schema["enum"], None]}
    if "anyOf" in schema:
        return {"anyOf": [*schema["anyOf"], {"type": "null"}]}
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return {"type": [*kinds, "null"]}
