"""Arrows between the rooms of the library go down only, and stages know formats, not each other."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import rsweep

HOUSE = Path(rsweep.__file__).parent
FLOORS = (
    ("core",),
    ("models", "sources"),
    ("stages",),
    ("plan",),
    ("jobs",),
    ("results",),
    ("evaluate",),
    ("explain", "budget"),
    ("verify", "disk", "report"),
    ("library", "publish", "foresight", "recipes"),
    ("commands",),
    ("cli", "__init__"),
)
"""From the ground up. A room takes what it needs from the floors below it."""
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def imports(path: Path) -> Iterator[str]:
    """Modules of rsweep that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("rsweep."))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "rsweep":
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def arrows() -> Iterator[tuple[Path, str, str]]:
    """File, its room, and what it imports, as `rsweep.room.module.name`."""
    for path in sorted(HOUSE.rglob("*.py")):
        inside = path.relative_to(HOUSE)
        for module in imports(path):
            yield inside, inside.parts[0].removesuffix(".py"), module


def test_every_room_has_a_floor():
    rooms = {path.relative_to(HOUSE).parts[0].removesuffix(".py") for path in HOUSE.rglob("*.py")}
    assert rooms == set(FLOOR)


def test_arrows_go_down():
    up = [
        f"{path} imports {module}"
        for path, room, module in arrows()
        if (other := module.split(".")[1]) in FLOOR
        and other != room
        and FLOOR[other] >= FLOOR[room]
    ]
    assert not up, "\n".join(up)


def test_no_stage_runs_another():
    runs = [
        f"{path} imports {module}"
        for path, room, module in arrows()
        if room == "stages"
        and len(path.parts) == 3
        and (parts := module.split("."))[1] == "stages"
        and parts[3:4] == ["run"]
        and parts[2] != path.parts[1]
    ]
    assert not runs, "\n".join(runs)


def test_no_circle_among_modules_of_sources():
    """A package's `__init__`, which opens its modules when they are asked for, is left out."""
    files = [path for path in (HOUSE / "sources").rglob("*.py") if path.stem != "__init__"]
    names = {".".join(("rsweep", *path.relative_to(HOUSE).with_suffix("").parts)) for path in files}
    reads: dict[str, set[str]] = {name: set() for name in names}
    for path, _, module in arrows():
        own = ".".join(("rsweep", *path.with_suffix("").parts))
        target = module if module in names else module.rpartition(".")[0]
        if own in names and target in names - {own}:
            reads[own].add(target)
    assert sum(map(len, reads.values())) > 50
    tuple(TopologicalSorter(reads).static_order())  # raises CycleError, which names the circle
