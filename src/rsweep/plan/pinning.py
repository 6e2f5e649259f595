"""Pinning the published weights of a study: the digest enters keys before anything is computed."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from rsweep.core.errors import RsweepError
from rsweep.core.settings import ProfileSettings
from rsweep.models.card import Checkpoint
from rsweep.models.pins import Pin, add_pins, checkpoint_name, pins_file
from rsweep.models.registry import find_card
from rsweep.plan.study import Study, make_study

log = logging.getLogger("rsweep")


def pinned_study(config: Mapping[str, Any], where: str) -> Study:
    """A study whose published weights are in keys by their content, as far as that can be known.

    Raises:
        StudyError: every problem of the study at once; `where` names its file in them.
    """
    study = make_study(config, where)
    return make_study(config, where) if pin_weights(study) else study


def pin_weights(study: Study) -> bool:
    """Pin what the study's profiles use and the store's table lacks; True if that adds a pin.

    A file on this machine is read; else the hub is asked what it has, which transfers no file. What
    cannot be known now stays in keys by its name, and is pinned when the study is next planned.
    """
    if study.options["frozen"]:
        return False  # the lock says which
    found = {name: pin for name, checkpoint in unpinned(study) if (pin := _resolve(checkpoint))}
    if found:
        add_pins(pins_file(study.store), found)
    return bool(found)


def unpinned(study: Study) -> Iterator[tuple[str, Checkpoint]]:
    """Name and place of every checkpoint whose content is not in its profile's key."""
    seen = set()
    for profile in study.profiles:
        checkpoint = published(profile.settings)
        if checkpoint is None or checkpoint.sha256 or profile.settings["weights_sha256"]:
            continue
        if (name := checkpoint_name(checkpoint)) not in seen:
            seen.add(name)
            yield name, checkpoint


def published(settings: ProfileSettings) -> Checkpoint | None:
    """The checkpoint that a profile uses, if it uses a published one."""
    if settings["weights"] != "pretrained":
        return None
    return find_card(settings["model"]).variants[settings["variant"]].checkpoint


def _resolve(checkpoint: Checkpoint) -> Pin | None:
    try:
        from rsweep.models.download import resolve  # planning needs no library of the hub's
    except ImportError:
        return None
    try:
        return resolve(checkpoint)
    except RsweepError as error:
        log.warning("%s is in keys by its name for now: %s", checkpoint_name(checkpoint), error)
        return None
