"""A study: the file that says which ROIs, which window, and which profiles."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from rsweep.errors import RsweepError, StudyError
from rsweep.evaluate.settings import read_evaluate
from rsweep.models.registry import families, find_card
from rsweep.roi import Roi, read_rois
from rsweep.settings.keys import Node
from rsweep.settings.knobs import Knob, Problem, nearest
from rsweep.settings.profiles import Profile, resolve, slug
from rsweep.settings.shards import Shard, make_shards
from rsweep.settings.stages import build_nodes, node_options
from rsweep.settings.table import CORE

Settings = dict[str, Any]
SECTIONS = ("base", "sweep", "profiles", "evaluate", "retain")
MAX_NAME = 120

OPTIONS: dict[str, Knob] = {
    k.name: k
    for k in (
        Knob("study", "stitch", "str", None, "name of the study and of its results folder"),
        Knob("rois", "fetch", "str", None, "ROI table: CSV, GeoJSON or GeoParquet"),
        Knob("temporal", "fetch", "mapping", None, "window of every ROI; the same as in base"),
        Knob("results", "stitch", "str", "results", "folder of the results"),
        Knob("store", "stitch", "str", None, "folder of cached stages; unset: <results>/store"),
        Knob("shard_size", "stitch", "int", 256, "ROIs per job, about", minimum=1),
        Knob("on_invalid", "stitch", "str", "error",
             "a combination that a model cannot run: an error, or skipped and listed",
             allowed=("error", "skip")),
        Knob("on_roi_error", "stitch", "str", "record",
             "a ROI that cannot be embedded: a row without values and with the reason, or a "
             "failure", allowed=("record", "fail")),
        Knob("gpus", "stitch", "int", 0, "GPUs that an inference job asks for", minimum=0),
        Knob("frozen", "stitch", "bool", False, "fetch exactly the scenes of study.lock.json"),
    )
}  # fmt: skip
"""What a study says beside knobs; none of it changes an embedding, none is in a key."""


@dataclass(frozen=True)
class Skipped:
    """A combination that its model cannot run, under `on_invalid: skip`."""

    name: str
    settings: Mapping[str, Any]
    reason: str


@dataclass(frozen=True)
class Study:
    """A validated study, ready to plan.

    Attributes:
        name: its name.
        rois: its places, in table order.
        profiles: what to run, each with the stitch node that it asks for.
        skipped: combinations left out, with the reason.
        options: the study's own options (see `OPTIONS`).
        evaluate: the `evaluate` section, or empty.
        retain: stage -> "temp" for stages whose files go once they have been read.
        shards: the ROIs in groups.
    """

    name: str
    rois: Sequence[Roi]
    profiles: Sequence[Profile]
    skipped: Sequence[Skipped]
    options: Mapping[str, Any]
    evaluate: Mapping[str, Any] = field(default_factory=dict)
    retain: Mapping[str, str] = field(default_factory=dict)
    shards: Sequence[Shard] = ()

    @property
    def store(self) -> Path:
        """Folder of cached stages."""
        return Path(self.options["store"] or f"{self.options['results']}/store")

    @property
    def folder(self) -> Path:
        """Folder of this study's results."""
        return Path(self.options["results"]) / self.name

    def nodes(self) -> dict[str, Node]:
        """Every node that the profiles need, by key, each once and sources first."""
        return {n.key: n for p in self.profiles for n in p.node.upstream()}

    def node_options(self) -> dict[str, dict[str, Any]]:
        """Node key -> what its job needs to run and no key holds."""
        found: dict[str, dict[str, Any]] = {}
        for profile in self.profiles:
            found.update(node_options(profile.settings, profile.node))
        return found


def load_study(path: str | Path) -> Study:
    """Read and validate a study file.

    Raises:
        StudyError: every problem of the study at once.
    """
    path = Path(path)
    try:
        config = yaml.safe_load(path.read_text())
    except OSError as error:
        raise StudyError([Problem(str(path), error.strerror or str(error))]) from None
    except yaml.YAMLError as error:
        raise StudyError([Problem(str(path), f"is not YAML: {error}")]) from None
    if not isinstance(config, dict):
        raise StudyError([Problem(str(path), "is empty; a study needs at least study and rois")])
    return make_study(config, str(path))


def make_study(config: Mapping[str, Any], where: str) -> Study:
    """Validate a study given as the mapping that its file holds.

    Raises:
        StudyError: every problem of the study at once; `where` names the file in them.
    """
    problems: list[Problem] = []
    options = _options(config, where, problems)
    base = _base(config, where, problems)
    rois, roi_problems = read_rois(options["rois"]) if options["rois"] else ([], [])
    problems += roi_problems
    profiles, skipped = _profiles(config, base, options, where, problems)
    retain = _retain(config, where, problems)
    problems += _window_problems(profiles, rois, where)
    evaluate, evaluate_problems = read_evaluate(config.get("evaluate"), rois, where)
    problems += evaluate_problems
    if not problems and not profiles:
        problems.append(Problem(where, "has no profile that can run"))
    if problems:
        raise StudyError(problems)
    shards = make_shards(rois, options["shard_size"])
    return Study(
        options["study"], rois, profiles, skipped, options, evaluate, retain, shards
    )  # fmt: skip


def _options(config: Mapping[str, Any], where: str, problems: list[Problem]) -> Settings:
    known = (*OPTIONS, *SECTIONS)
    for name in config:
        if name in CORE and name not in known:
            problems.append(Problem(f"{where}: {name}", "is a knob, which belongs under base"))
        elif name not in known:
            problems.append(
                Problem(f"{where}: {name}", f"is not part of a study{nearest(name, known)}")
            )
    options: Settings = {}
    for name, knob in OPTIONS.items():
        options[name] = knob.default
        if config.get(name) is None:
            if name in ("study", "rois"):
                problems.append(Problem(f"{where}: {name}", f"is missing: {knob.meaning}"))
            continue
        try:
            options[name] = knob.parse(config[name])
        except ValueError as error:
            problems.append(Problem(f"{where}: {name}", str(error)))
    return options


def _all_knobs() -> dict[str, Knob]:
    own = {k.name: k for f in families() if f != "timm" for k in find_card(f).knobs}
    return CORE | own


def _base(config: Mapping[str, Any], where: str, problems: list[Problem]) -> Settings:
    base = dict(config.get("base") or {})
    if config.get("temporal") is not None:
        base.setdefault("temporal", config["temporal"])
    knobs = _all_knobs()
    for name, value in base.items():
        if name not in knobs:
            problems.append(
                Problem(f"{where}: base.{name}", f"is not a knob{nearest(name, knobs)}")
            )
        elif isinstance(value, list) and knobs[name].kind != "names":
            problems.append(Problem(f"{where}: base.{name}", "is a list; lists belong under sweep"))
    return {k: v for k, v in base.items() if k in knobs}


def _combinations(config: Mapping[str, Any], where: str) -> Iterator[tuple[str, str, Settings]]:
    """(name or "", where it stands, its own settings) of every profile that a study asks for."""
    blocks = config.get("sweep") or []
    for number, block in enumerate([blocks] if isinstance(blocks, Mapping) else blocks):
        lists = [v if isinstance(v, list) else [v] for v in block.values()]
        for values in itertools.product(*lists):
            yield "", f"{where}: sweep[{number}]", dict(zip(block, values, strict=True))
    for name, own in (config.get("profiles") or {}).items():
        yield slug(str(name)), f"{where}: profiles.{name}", dict(own or {})
    if not config.get("sweep") and not config.get("profiles"):
        yield "base", f"{where}: base", {}


def _profiles(
    config: Mapping[str, Any], base: Settings, options: Settings, where: str,
    problems: list[Problem],
) -> tuple[list[Profile], list[Skipped]]:  # fmt: skip
    resolved: list[Candidate] = []
    skipped: list[Skipped] = []
    for name, place, own in _combinations(config, where):
        settings, errors = resolve(own, base)
        if not errors:
            try:
                resolved.append(Candidate(name, own, settings, build_nodes(settings)))
                continue
            except (ValueError, OSError, RsweepError) as error:
                errors = [("weights", str(error))]
        if options["on_invalid"] == "skip" and settings:
            reason = "; ".join(f"{knob} {what}" for knob, what in errors)
            skipped.append(Skipped(name or _join(own), {**base, **own}, reason))
        else:
            problems += [Problem(f"{place}.{knob}", what) for knob, what in errors]
    return _named(resolved), skipped


@dataclass(frozen=True)
class Candidate:
    """A combination that can run: its name if it was given one, what it sets, all that it is."""

    name: str
    own: Mapping[str, Any]
    settings: Settings
    node: Node


def _named(candidates: list[Candidate]) -> list[Profile]:
    """Profiles under the names of what varies in them; one per stitch key.

    Two that set different knobs to one effect in their names are told apart by their keys.
    """
    swept = [c for c in candidates if not c.name]
    names = list(dict.fromkeys(k for c in swept for k in c.own))
    varying = {k for k in names if len({repr(c.settings.get(k)) for c in swept}) > 1}
    found: dict[str, Profile] = {}
    used: set[str] = set()
    for c in candidates:
        if c.node.key in found:
            continue
        shown = {k: c.settings[k] for k in c.own if k in varying}
        name = c.name or _join(shown, c.node)
        name = f"{name}_{c.node.key[:8]}" if name in used else name
        used.add(name)
        found[c.node.key] = Profile(name, c.settings, c.node)
    return list(found.values())


def _join(shown: Mapping[str, Any], node: Node | None = None) -> str:
    """`thor_patch_size-8_grid`: words as they are, other values with their knob's name."""
    parts = []
    for name, value in shown.items():
        if isinstance(value, str):
            parts.append(slug(value))
        elif value is not None:
            text = "+".join(map(str, value)) if isinstance(value, list) else str(value)
            parts.append(slug(f"{name}-{text}"))
    text = "_".join(parts) or "base"
    if len(text) <= MAX_NAME:
        return text
    return f"{text[: MAX_NAME - 9]}_{node.key[:8] if node else len(text)}"


def _retain(config: Mapping[str, Any], where: str, problems: list[Problem]) -> dict[str, str]:
    retain = dict(config.get("retain") or {})
    stages = ("fetch", "composite", "prep", "infer")
    for stage, value in retain.items():
        if stage not in stages or value not in ("keep", "temp"):
            problems.append(Problem(f"{where}: retain.{stage}",
                                    f"is {value!r}; expected one of {', '.join(stages)}, each "
                                    f"keep or temp{nearest(stage, stages)}"))  # fmt: skip
    return retain


def _window_problems(profiles: Sequence[Profile], rois: Sequence[Roi], where: str) -> list[Problem]:
    bare = [roi.id for roi in rois if roi.start is None]
    if not bare or all(p.settings["temporal"] is not None for p in profiles):
        return []
    what = f"{len(bare)} of {len(rois)} ROIs, {bare[0]} first, have no start and end of their own"
    return [Problem(f"{where}: temporal", f"is missing, and {what}")]
