"""Every command answers in colour in a terminal, plainly in a pipe, and as JSON for programs."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest

from rsweep.cli import COMMANDS, main
from rsweep.commands import status
from rsweep.commands.output import Rows, answer
from rsweep.core.files import put
from rsweep.core.store import Store
from rsweep.plan.study import load_study

ESCAPE = "\x1b["


class Terminal(io.StringIO):
    """A file that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def seen(monkeypatch, do: Callable[[], object]) -> str:
    """What a terminal is sent while something is done."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    with redirect_stdout(Terminal()) as screen:
        do()
    return screen.getvalue()


@pytest.fixture
def study(tmp_path: Path, monkeypatch) -> Path:
    """A study of which the store has the first stage, with one combination that cannot run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rois.csv").write_text("id,lon,lat,buffer_m\na,8.6,50.5,90\n")
    path = tmp_path / "study.yaml"
    path.write_text(
        json.dumps(
            {
                "study": "s",
                "rois": "rois.csv",
                "on_invalid": "skip",
                "base": {"model": "rcf", "temporal": {"year": 2022}, "context_m": 60},
                "sweep": [{"image_size": [32, 33], "patch_size": [8]}],
            }
        )
    )
    found = load_study(path)
    fetch = next(node for node in found.nodes().values() if node.stage == "fetch")
    with Store(found.store).write(fetch, found.shards[0].name) as file:
        put(file, "x", np.arange(3))
    return path


WORDS = {
    "validate": ["study.yaml"],
    "plan": ["study.yaml"],
    "keys": ["study.yaml"],
    "status": ["study.yaml"],
    "why": ["fetch", "study.yaml"],
    "diff": ["study.yaml", "study.yaml"],
    "check": ["study.yaml"],
    "weights": ["study.yaml"],
    "push": ["study.yaml", "other"],
    "du": ["results/store"],
    "gc": ["results/store", "--older", "0"],
    "describe": [],
    "schema": [],
}
"""Commands that need no results of a run; the others are tried where there are some."""


@pytest.mark.parametrize("command", WORDS)
def test_json_is_all_that_a_program_gets(command, study, capsys):
    assert main([command, *WORDS[command], "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out) or command == "weights"  # rcf has no weights to fetch
    assert said.err == ""


@pytest.mark.parametrize("command", WORDS)
def test_a_pipe_gets_no_escape_codes(command, study, capsys):
    assert main([command, *WORDS[command]]) == 0
    assert ESCAPE not in capsys.readouterr().out


@pytest.mark.parametrize(
    "command", ["validate", "plan", "keys", "status", "why", "diff", "gc", "describe"]
)
def test_a_terminal_gets_the_same_words_in_colour(command, study, capsys, monkeypatch):
    words = [command, *WORDS[command]]
    if command == "diff":
        study.with_name("b.yaml").write_text(study.read_text().replace("[32,", "[64,"))
        words[-1] = "b.yaml"
    main(words)
    plain = capsys.readouterr().out
    shown = seen(monkeypatch, lambda: main(words))
    assert ESCAPE in shown
    if command != "plan" and command != "describe":  # their tables are drawn to fit
        assert re.sub(r"\x1b\[[\d;]*m", "", shown) == plain


def test_every_command_takes_json():
    for module in COMMANDS:
        with pytest.raises(SystemExit) as ended:
            main([module.__name__.rpartition(".")[2], "--json", "--help"])
        assert ended.value.code == 0


def test_an_error_is_the_answer_for_programs(study, capsys):
    study.write_text(study.read_text().replace('"rcf"', '"rfc"'))
    assert main(["validate", "study.yaml", "--json"]) == 1
    said = capsys.readouterr()
    (problem,) = json.loads(said.out)["problems"]
    assert problem["where"].endswith("base.model")
    assert "rcf" in problem["what"]
    assert said.err == ""
    assert main(["validate", "study.yaml"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "did you mean 'rcf'" in said.err


def test_names_that_look_like_markup_stay(monkeypatch):
    shown = seen(monkeypatch, lambda: answer(False, None, ["file [red]x[/red].h5"]))
    assert "[red]x[/red].h5" in shown


def test_a_table_is_aligned_in_a_pipe_and_drawn_in_a_terminal(capsys, monkeypatch):
    rows = Rows(("stage", "files", "basis"), [["fetch", "12", "a model"], ["prep", "3", ""]])
    answer(False, None, [rows])
    assert capsys.readouterr().out.splitlines() == [
        "stage  files  basis",
        "fetch     12  a model",
        "prep       3",
    ]
    assert "─" in seen(monkeypatch, lambda: answer(False, None, [rows]))


@pytest.mark.parametrize("as_json", [True, False])
def test_watching_goes_on_until_all_is_done(study, capsys, monkeypatch, as_json):
    found = load_study(study)
    nodes = list(found.nodes().values())

    def finish(_seconds: float) -> None:
        node = next(n for n in nodes if not Store(found.store).path(n, shard).exists())
        with Store(found.store).write(node, shard) as file:
            put(file, "x", np.arange(3))

    shard = found.shards[0].name
    monkeypatch.setattr(status.time, "sleep", finish)
    assert main(["status", "study.yaml", "--watch", *(["--json"] if as_json else [])]) == 0
    lines = capsys.readouterr().out.splitlines()
    if as_json:
        looks = [{stage["stage"]: stage["done"] for stage in json.loads(line)} for line in lines]
        assert [sum(look.values()) for look in looks] == [1, 2, 3, 4, 5]
    else:
        assert len(lines) == 5 * 5
        assert lines[-1] == "stitch     1 of 1"
