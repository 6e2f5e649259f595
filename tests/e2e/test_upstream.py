"""A second working copy takes what a first one made, through Snakemake."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from conftest import Workplace


def make(folder: Path, **sections: object) -> Workplace:
    folder.mkdir()
    workplace = Workplace(folder)
    workplace.write_study(**sections)
    return workplace


def digests(workplace: Workplace) -> dict[str, str]:
    return {name: digest for name, (digest, _) in workplace.state().items()}


def lock_of(workplace: Workplace) -> dict:
    return json.loads((workplace.folder / "results/tiny/study.lock.json").read_text())


def test_what_a_store_lacks_comes_from_upstream_and_what_is_damaged_there_is_made(
    tmp_path: Path,
) -> None:
    first = make(tmp_path / "first")
    first.ran()
    made = digests(first)
    store = tmp_path / "first/results/store"
    second = make(tmp_path / "second", upstream=["../first/results/store"])
    output = second.ran().output
    # One shard: of its chain only the last file is needed.
    assert "rsweep: 1 stage files taken from other stores" in output
    assert "Ran no stage" in output
    stitched = {name: digest for name, digest in made.items() if name.startswith("stitch/")}
    assert digests(second) == stitched
    assert lock_of(second)["results"] == lock_of(first)["results"]
    assert "upstream" not in json.dumps(lock_of(second))
    # A damaged file upstream is refused, and is made here of what is whole there.
    spoilt = shutil.copytree(store, tmp_path / "spoilt")
    (name,) = stitched
    whole = (spoilt / name).read_bytes()
    (spoilt / name).write_bytes(whole[:-40] + bytes(40))
    third = make(tmp_path / "third", upstream=["../spoilt"])
    output = third.ran().output
    assert "Ran 1 stitch" in output
    assert digests(third)[name] == stitched[name]
    assert lock_of(third)["results"] == lock_of(first)["results"]
