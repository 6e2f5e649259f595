"""What the page's templates are given: words and charts, ready to be put in place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rsweep.report.svg import Html


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: what it says.
        sort: the number that it is sorted by, if it is one.
        kind: "" or a class: `bad`, `mark`, `soft`, `date`.
        href: a file that it links to, from the page.
        note: a word more, in grey.
        code: True for a key or a digest.
    """

    text: str
    sort: float | None = None
    kind: str = ""
    href: str = ""
    note: str = ""
    code: bool = False


@dataclass(frozen=True)
class Column:
    """A column of a table; numbers stand at the right."""

    name: str
    number: bool = False


@dataclass(frozen=True)
class Table:
    """A table; the row numbered `chosen` is marked."""

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    chosen: int | None = None


@dataclass(frozen=True)
class Bar:
    """One estimate of a list: what it is of, its interval drawn and in words, and a remark."""

    label: str
    chart: Html
    words: str
    note: str = ""
    kind: str = ""


@dataclass(frozen=True)
class Bars:
    """Estimates on one axis."""

    axis: Html
    rows: Sequence[Bar]
    band: str


@dataclass(frozen=True)
class Legend:
    """A line of a legend: number of its colour, and what it is."""

    colour: int
    words: str


@dataclass(frozen=True)
class Chart:
    """A chart with its words."""

    chart: Html
    caption: str
    legend: Sequence[Legend] = ()


@dataclass(frozen=True)
class HeatRow:
    """A row of a shaded table: its name, and cells as (what it says, shade from 0 to 1)."""

    name: str
    cells: Sequence[tuple[str, float]]


@dataclass(frozen=True)
class Heat:
    """A table whose cells are shaded by their values; `corner` is over the names of the rows."""

    caption: str
    corner: str
    columns: Sequence[str]
    rows: Sequence[HeatRow]


@dataclass(frozen=True)
class QualityView:
    """All that needs labels; every part None or empty where the study has none of it."""

    answer: str
    method: str
    alerts: Sequence[str]
    notes: Sequence[str]
    differences: Bars | None
    cost: Chart | None
    effects: Bars | None
    interactions: Bars | None
    dead: Sequence[str]
    curves: Chart | None
    blocks: Chart | None
    confusion: Heat | None
    measures: Table | None
    likeness: Heat | None


@dataclass(frozen=True)
class PanelView:
    """An image in a square of a picture: data, and left, top, width, height in per cent."""

    data: str
    alt: str
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class PictureRowView:
    """Images of all places by one profile, or of the composite."""

    label: str
    panels: Sequence[PanelView | None]


@dataclass(frozen=True)
class PicturesView:
    """Grids in colour: names of the places, and rows of images."""

    places: Sequence[str]
    rows: Sequence[PictureRowView]
    left: int


@dataclass(frozen=True)
class Branch:
    """A stage's file in the tree of what is shared, and what was made of it."""

    stage: str
    words: str
    key: str
    branches: Sequence[Branch] = ()
    profiles: Sequence[str] = ()


@dataclass(frozen=True)
class InputView:
    """What networks saw."""

    frames: Table
    notes: Sequence[str]
    outside: Table | None


@dataclass(frozen=True)
class RerunView:
    """What it takes to cite a study and to run it again."""

    models: Table
    weights: Table
    versions: Table
    keys: Table
    lock: str
    config: str
    files: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class PublishedView:
    """Published numbers beside those of this study: in words, drawn (SVG in base64), in a table."""

    words: str
    failed: bool
    drawn: str
    table: Table


@dataclass(frozen=True)
class RaceView:
    """Who was stopped by a race, when and why, and what that saved."""

    words: str
    rounds: Table
    stopped: Table | None


@dataclass(frozen=True)
class Page:
    """The whole page."""

    name: str
    subtitle: str
    cards: Sequence[tuple[str, str, str]]
    alerts: Sequence[str]
    published: PublishedView | None
    quality: QualityView | None
    race: RaceView | None
    profiles: Table
    pictures: PicturesView | None
    input: InputView
    failures: Table | None
    skipped: Table | None
    settings: Table
    shared: Table
    tree: Sequence[Branch]
    rerun: RerunView
    footer: str
    style: Html
    script: Html
