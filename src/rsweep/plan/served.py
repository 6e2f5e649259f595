"""What a study asks of its sources and they cannot give: bands, quality layers, windows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rsweep.core.errors import RoiError, RsweepError
from rsweep.core.knobs import Problem
from rsweep.core.nodes import Node
from rsweep.plan.profiles import Profile
from rsweep.plan.study import Study
from rsweep.sources.protocol import Source
from rsweep.sources.registry import find_provider
from rsweep.stages.fetch.place import source_and_place

ROIS_ASKED = 5
"""ROIs over the table whose scenes are looked for; a window that none of them has is a mistake."""


def unserved(study: Study, where: str, online: bool = False) -> tuple[list[Problem], list[str]]:
    """What sources cannot serve, each problem once, and the services that were not asked.

    Args:
        study: the study.
        where: its file, for messages.
        online: ask services on a network too, which costs a few requests each.
    """
    options, problems = study.node_options(), []
    unasked: set[str] = set()
    for node, profiles in _fetches(study):
        provider = node.settings["provider"]
        service = find_provider(provider).address(options[node.key])
        if "://" in service and not online:
            unasked.add(service)
            continue
        place = f"{where}: {profiles[0].name}: {provider}"
        problems += [Problem(place, what) for what in _asked(study, node, profiles, options)]
    return list(dict.fromkeys(problems)), sorted(unasked)


def _fetches(study: Study) -> list[tuple[Node, list[Profile]]]:
    """Fetch nodes, each with the profiles that read it."""
    nodes: dict[str, Node] = {}
    users: dict[str, list[Profile]] = {}
    for profile in study.profiles:
        for node in profile.node.upstream():
            if node.stage == "fetch":
                nodes[node.key] = node
                users.setdefault(node.key, []).append(profile)
    return [(nodes[key], found) for key, found in users.items()]


def _asked(
    study: Study, node: Node, profiles: Sequence[Profile], options: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    settings = node.settings
    source_of = find_provider(settings["provider"])
    own = {name: value for name, value in options[node.key].items() if name != "lock"}
    try:
        have = list(source_of.available_bands(own, settings["collection"]))
        missing = list(_missing_bands(node, profiles, have))
        yield from missing
        if missing:
            return
        bands = have if settings["bands"] == "all" else settings["bands"]
        orbit = settings.get("orbit", "any")
        source = source_of.open_source(own, settings["collection"], bands, orbit)
        yield from _missing_layers(node, profiles, source)
        yield from _missing_scenes(study, node, source)
    except RsweepError as error:
        yield str(error)


def _missing_bands(node: Node, profiles: Sequence[Profile], have: list[str]) -> Iterator[str]:
    sensor = node.settings["sensor"]
    for profile in profiles:
        prep = next(n for n in profile.node.upstream() if n.stage == "prep")
        missing = [band for band in prep.settings["bands"][sensor] if band not in have]
        if missing:
            yield (
                f"{profile.settings['model']} reads {sensor} {', '.join(missing)}, which "
                f"{node.settings['collection']} lacks; it has {', '.join(have)}"
            )


def _missing_layers(node: Node, profiles: Sequence[Profile], source: Source) -> Iterator[str]:
    layers = source.quality_layers
    for profile in profiles:
        for composite in profile.node.upstream():
            rules = composite.settings.get("cloud_mask", {})
            if composite.stage != "composite" or node not in composite.inputs.values():
                continue
            wanted = {rule["layer"] for rule in rules.values()}
            if wanted and "" not in wanted and not wanted & set(layers):
                yield (
                    f"cloud_mask {profile.settings['cloud_mask']} needs the layer "
                    f"{', '.join(sorted(wanted))}; the scenes have "
                    f"{', '.join(layers) or 'none'}"
                )


def _missing_scenes(study: Study, node: Node, source: Source) -> Iterator[str]:
    """A problem if none of a few ROIs has a scene."""
    if node.settings["provider"] == "synthetic":  # which has scenes anywhere, at any time
        return
    step = max(len(study.rois) // ROIS_ASKED, 1)
    asked = study.rois[::step][:ROIS_ASKED]
    reasons = []
    for roi in asked:
        try:
            own, place = source_and_place(source, node, roi)
            if own.scenes(place.grid, place.start, place.end):
                return
            reasons.append(f"ROI {roi.id}: has no scenes in its window")
        except RoiError as error:
            reasons.append(f"ROI {roi.id}: {error}")
    yield f"has nothing for any of {len(asked)} ROIs asked about; {reasons[0]}"
