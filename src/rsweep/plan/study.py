"""A study: the file that says which ROIs, which window, and which profiles."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rsweep.core.accounts import hide_accounts
from rsweep.core.errors import StudyError
from rsweep.core.knobs import Option, Problem, nearest
from rsweep.core.names import clash, slug
from rsweep.core.nodes import Node
from rsweep.core.places import Places, places_of
from rsweep.core.roi import Roi
from rsweep.core.roi_table import read_rois
from rsweep.core.shards import Shard, make_shards
from rsweep.models.pins import Pin, parse_pins, pins_file, read_pins
from rsweep.plan.chips import missing_table
from rsweep.plan.config import check_size, read_config
from rsweep.plan.evaluation import EvaluateOptions, read_evaluate
from rsweep.plan.given import GivenSet, read_given
from rsweep.plan.nodes import node_options
from rsweep.plan.prices import PRICES
from rsweep.plan.profiles import Profile
from rsweep.plan.published import published_problems
from rsweep.plan.race import Race, race_problems, read_race
from rsweep.plan.scenes import with_scenes
from rsweep.plan.sweep import Skipped, expand, section
from rsweep.plan.table import CORE
from rsweep.plan.too_large import too_many_tiles
from rsweep.stages.fetch.manifest import locked_scenes
from rsweep.stages.registry import STAGES

Settings = dict[str, Any]
BUDGETS = ("eecu_hours",)
SECTIONS = ("base", "sweep", "profiles", "given", "evaluate", "retain")
MADE_OF = ("base", "sweep", "profiles")
"""Sections that ask for profiles; a study that has none of them and `given` has no profile."""

OPTIONS: dict[str, Option] = {
    k.name: k
    for k in (
        Option("study", "str", None, "name of the study and of its results folder"),
        Option("rois", "str", None, "ROI table: CSV, GeoJSON or GeoParquet"),
        Option("temporal", "mapping", None, "window of every ROI; the same as in base"),
        Option("results", "str", "results", "folder of the results"),
        Option("store", "str", None, "folder of cached stages; unset: <results>/store"),
        Option(
            "upstream",
            "names",
            [],
            "stores of others that are only read: folders or addresses of web servers; what the "
            "store lacks is taken from there",
        ),
        Option("shard_size", "int", 256, "ROIs per job, about", minimum=1),
        Option(
            "on_invalid",
            "str",
            "error",
            "a combination that a model cannot run: an error, or skipped and listed",
            allowed=("error", "skip"),
        ),
        Option(
            "on_roi_error",
            "str",
            "record",
            "a ROI that cannot be embedded: a row without values and with the reason, or a failure",
            allowed=("record", "fail"),
        ),
        Option(
            "max_failed",
            "float",
            0.25,
            "largest share of a profile's ROIs that may lack an embedding; above it, or where "
            "none has one, the run ends in an error after writing what it has",
            minimum=0,
            maximum=1,
        ),
        Option("gpus", "int", 0, "GPUs that an inference job asks for", minimum=0),
        Option(
            "frozen",
            "bool",
            False,
            "fetch exactly the scenes of the lock, which is then never written",
        ),
        Option(
            "lock",
            "str",
            None,
            "lock that `frozen` reads; unset: <results>/<study>/study.lock.json",
        ),
        Option(
            "published",
            "str",
            None,
            "CSV of published numbers to compare the results with (docs/recipes.md)",
        ),
        Option(
            "budget",
            "mapping",
            {},
            "what may be spent: eecu_hours, which the Earth Engine project may cost in a "
            "calendar month (UTC) by the ledger in the store; fetching stops before it",
        ),
        Option(
            "prices",
            "mapping",
            {},
            "what costs are worth: gpu_hour, cpu_hour, kwh (that GPUs say they used), "
            "thousand_requests, fetched_gb, eecu_hour, gb (of results kept) and their currency",
        ),
    )
}
"""What a study says beside knobs; none of it changes an embedding, none is in a key."""


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
        config: the study as its file holds it.
        given: embeddings that others computed, judged like profiles.
        race: how profiles are stopped early, if they are.
    """

    name: str
    rois: Sequence[Roi]
    profiles: Sequence[Profile]
    skipped: Sequence[Skipped]
    options: Mapping[str, Any]
    evaluate: EvaluateOptions = field(default_factory=EvaluateOptions)
    retain: Mapping[str, str] = field(default_factory=dict)
    shards: Sequence[Shard] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    given: Sequence[GivenSet] = ()
    race: Race | None = None

    def folder_of(self, name: str) -> Path:
        """Folder of the results of a profile, or of a given set."""
        kind = "given" if any(given.name == name for given in self.given) else "profiles"
        return self.folder / kind / name

    @property
    def store(self) -> Path:
        """Folder of cached stages."""
        return _store(self.options)

    @property
    def folder(self) -> Path:
        """Folder of this study's results."""
        return Path(self.options["results"]) / self.name

    @property
    def lock(self) -> Path:
        """The file that says which scenes were fetched: written, or read by a frozen study."""
        return _lock_file(self.options)

    def pins(self) -> dict[str, Pin]:
        """Published checkpoint -> the file that it is, as far as that is known."""
        return _pins(self.options)

    def nodes(self) -> dict[str, Node]:
        """Every node that the profiles need, by key, each once and sources first."""
        return {n.key: n for p in self.profiles for n in p.node.upstream()}

    def node_options(self) -> dict[str, dict[str, Any]]:
        """Node key -> what its job needs to run and no key holds."""
        found: dict[str, dict[str, Any]] = {}
        for profile in self.profiles:
            found.update(node_options(profile.settings, profile.node))
        more: dict[str, Any] = {"lock": str(self.lock)} if self.options["frozen"] else {}
        more |= {"budget": self.options["budget"]} if self.options["budget"] else {}
        for node in self.nodes().values() if more else ():
            if node.stage == "fetch":
                found[node.key] = {**found[node.key], **more}
        return found


def load_study(path: str | Path) -> Study:
    """Read and validate a study file.

    Raises:
        StudyError: every problem of the study at once.
    """
    return make_study(read_config(path), str(path))


def make_study(config: Mapping[str, Any], where: str) -> Study:
    """Validate a study given as the mapping that its file holds.

    Raises:
        StudyError: every problem of the study at once; `where` names the file in them.
    """
    check_size(config, where)
    problems: list[Problem] = []
    config = hide_accounts(config)
    options = _options(config, where, problems)
    rois, roi_problems = _read_table(options["rois"], config, where)
    problems += roi_problems
    shards = make_shards(rois, options["shard_size"])
    profiles, skipped = _profiles(config, where, options, problems, places_of(rois, shards))
    retain = _retain(config, where, problems)
    if not any(problem.where.endswith("temporal") for problem in problems):
        problems += _window_problems(profiles, rois, where)
    problems += _name_problems(profiles, rois, options["rois"])
    evaluate, evaluate_problems = read_evaluate(config.get("evaluate"), rois, where)
    problems += evaluate_problems
    given, given_problems = read_given(config.get("given"), [p.name for p in profiles], where)
    problems += given_problems
    names = [*(p.name for p in profiles), *(s.name for s in skipped), *(g.name for g in given)]
    problems += published_problems(options["published"], names, where)
    race, race_errors = read_race(config.get("sweep"), where)
    problems += race_errors
    if race and not problems:
        problems += race_problems(
            race, len(profiles), len(rois), len(shards), evaluate, bool(options["published"]), where
        )
    if not problems and not profiles and not given:
        problems.append(Problem(where, "has no profile that can run"))
    if problems:
        raise StudyError(list(dict.fromkeys(problems)))
    if problems := too_many_tiles(profiles, shards, options["max_failed"], where):
        raise StudyError(problems)
    profiles = with_scenes(profiles, shards, _locked_scenes(options), where)
    return Study(
        options["study"],
        rois,
        profiles,
        skipped,
        options,
        evaluate,
        retain,
        shards,
        config,
        given,
        race,
    )


def _profiles(
    config: Mapping[str, Any],
    where: str,
    options: Settings,
    problems: list[Problem],
    places: Places,
) -> tuple[list[Profile], list[Skipped]]:
    """What a study runs; nothing where it only has embeddings that others computed."""
    if config.get("given") and not any(config.get(name) for name in MADE_OF):
        return [], []
    skip = options["on_invalid"] == "skip"
    return expand(config, where, skip, problems, places, _pins(options))


def _read_table(
    table: str | None, config: Mapping[str, Any], where: str
) -> tuple[Sequence[Roi], list[Problem]]:
    if not table:
        return [], []
    missing = [] if Path(table).exists() else missing_table(config, table, where)
    return ([], missing) if missing else read_rois(table)


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
    problems += _check_amounts("prices", options["prices"], PRICES, where)
    problems += _check_amounts("budget", options["budget"], BUDGETS, where)
    if options["study"] and slug(options["study"]) != options["study"]:
        what = f"is {options['study']!r}; it names a folder: letters, digits and . _ = + - only"
        problems.append(Problem(f"{where}: study", what))
    elif options["study"] and options["frozen"] and not _lock_file(options).is_file():
        what = f"is true, but {_lock_file(options)} is not there; `lock` may name another file"
        problems.append(Problem(f"{where}: frozen", what))
    return options


def _check_amounts(
    section: str, found: Mapping[str, Any], known: Sequence[str], where: str
) -> list[Problem]:
    """What is wrong with a section of numbers from 0, and a currency."""
    problems = []
    for name, value in found.items():
        place = f"{where}: {section}.{name}"
        if name not in known:
            what = f"is not one of {', '.join(known)}{nearest(name, known)}"
            problems.append(Problem(place, what))
        elif name != "currency" and not _is_amount(value):
            problems.append(Problem(place, f"is {value!r}; expected a number from 0"))
    return problems


def _is_amount(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _pins(options: Mapping[str, Any]) -> dict[str, Pin]:
    """Which file each published checkpoint is: by the store's table, or by a frozen lock."""
    if not options["frozen"]:
        return read_pins(pins_file(_store(options)))
    try:
        return parse_pins(json.loads(_lock_file(options).read_text()).get("pins", {}))
    except (OSError, ValueError, TypeError, AttributeError):
        return {}  # a damaged lock is said so where it is read whole


def _locked_scenes(options: Mapping[str, Any]) -> dict[str, Any]:
    """Fetch key -> scenes on a disk that a frozen study is held to."""
    if not options["frozen"]:
        return {}
    try:
        return locked_scenes(json.loads(_lock_file(options).read_text()))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}  # as above


def _store(options: Mapping[str, Any]) -> Path:
    return Path(options["store"] or f"{options['results']}/store")


def _lock_file(options: Mapping[str, Any]) -> Path:
    named = options["lock"] if options["frozen"] else None  # which is never written to
    return Path(named or f"{options['results']}/{options['study']}/study.lock.json")


def _retain(config: Mapping[str, Any], where: str, problems: list[Problem]) -> dict[str, str]:
    retain = section(config.get("retain"), f"{where}: retain", problems)
    stages = [*STAGES][:-1]  # what the last makes is read as long as there are results
    for stage, value in retain.items():
        if stage not in stages or value not in ("keep", "temp"):
            problems.append(
                Problem(
                    f"{where}: retain.{stage}",
                    f"is {value!r}; expected one of {', '.join(stages)}, each "
                    f"keep or temp{nearest(stage, stages)}",
                )
            )
    return retain


def _name_problems(profiles: Sequence[Profile], rois: Sequence[Roi], table: str) -> list[Problem]:
    """Two ROIs whose grids would be one file."""
    grids = any(profile.settings["output"] == "grid" for profile in profiles)
    both = clash([roi.id for roi in rois]) if grids else None
    if not both:
        return []
    return [
        Problem(
            table, f"ids {both[0]!r} and {both[1]!r} give one name of a grid's file; rename one"
        )
    ]


def _window_problems(profiles: Sequence[Profile], rois: Sequence[Roi], where: str) -> list[Problem]:
    bare = [roi.id for roi in rois if roi.start is None]
    if not bare or all(p.settings["temporal"] is not None for p in profiles):
        return []
    what = f"{len(bare)} of {len(rois)} ROIs, {bare[0]} first, have no start and end of their own"
    return [Problem(f"{where}: temporal", f"is missing, and {what}")]
