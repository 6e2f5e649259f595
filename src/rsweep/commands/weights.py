"""Fetch the published weights that a study uses."""

from __future__ import annotations

import argparse

from rsweep.commands.output import answer

ABOUT = "fetch the published weights that a study uses, where the network is, and pin them"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("study", help="a study file, such as config/config.yaml")


def run(given: argparse.Namespace) -> int:
    """Run the command."""
    from rsweep.jobs.weights import fetch_one, fetched
    from rsweep.plan.pinning import pin_weights
    from rsweep.plan.study import load_study

    study = load_study(given.study)
    if pin_weights(study):
        study = load_study(given.study)
    records, lines = [], []
    for _, node, options in fetched(study):
        record = fetch_one(study, node, options)
        where = record.get("repository") or record.get("url") or record["file"]
        named = {"model": node.settings["model"], "variant": node.settings["variant"]}
        records.append({**named, **record})
        lines.append(f"{' '.join(named.values())}: {where} {record['sha256']} in {record['file']}")
    pin_weights(study)
    answer(given.json, records, lines or ["the study needs no published weights"])
    return 0
