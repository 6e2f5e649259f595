"""The models, or one of them, a knob or a source."""

from __future__ import annotations

import argparse

ABOUT = "the models; or all about one of them, about a knob, or about a source of imagery"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("name", nargs="?", help="a model, a knob, or a source such as stac")
    parser.add_argument(
        "--for",
        dest="sensors",
        metavar="SENSORS",
        help="list models that need no sensor but these, such as s2,s1",
    )
    parser.add_argument(
        "--license",
        "--licence",
        dest="licence",
        default="",
        metavar="NAME",
        help="list models by the licence of their weights: commercial, or a part of its name",
    )


def run(given: argparse.Namespace) -> int:
    """Run the command."""
    from rsweep.core.errors import RsweepError

    if given.name and (given.sensors or given.licence):
        raise RsweepError(f"--for and --license list models; leave {given.name} out, or them")
    print(_one(given.name, given.json) if given.name else _models(given))
    return 0


def _one(name: str, as_json: bool) -> str:
    """What there is to say of a provider, a knob or a model."""
    from rsweep.core.errors import RsweepError
    from rsweep.core.knobs import nearest
    from rsweep.models.registry import families
    from rsweep.report.describe import describe_model
    from rsweep.report.describe_knob import describe_knob, knob_names
    from rsweep.report.describe_source import describe_source
    from rsweep.sources.registry import PROVIDERS

    if name in PROVIDERS and name not in families():
        return describe_source(name, as_json)
    if name.partition(":")[0] in families():
        return describe_model(name, as_json)
    if name in knob_names():
        return describe_knob(name, as_json)
    hint = nearest(name, (*families(), *PROVIDERS, *knob_names()))
    known = (
        f"`rsweep describe` lists models, docs/settings.md knobs; sources: {', '.join(PROVIDERS)}"
    )
    raise RsweepError(f"{name!r} is no model, knob or source; {known}{hint}")


def _models(given: argparse.Namespace) -> str:
    from rsweep.report.describe import list_models

    sensors = [name.strip() for name in (given.sensors or "").split(",") if name.strip()]
    return list_models(sensors, given.licence, given.json)
