"""Reading a study file: YAML, of a size that can be worked with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rsweep.core.errors import StudyError
from rsweep.core.knobs import Problem

MOST_VALUES = 200_000
"""Values of a study once its aliases are written out; a few lines of YAML can stand for billions.
"""
DEEPEST = 50


def read_config(path: str | Path) -> dict[str, Any]:
    """The mapping that a study file holds.

    Raises:
        StudyError: the file cannot be read, is no mapping, or stands for too much.
    """
    path = Path(path)
    try:
        config = _parse(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise StudyError([Problem(str(path), error.strerror or str(error))]) from None
    except ValueError as error:  # UnicodeDecodeError is one
        raise StudyError([Problem(str(path), f"is not YAML: {error}")]) from None
    if not isinstance(config, dict):
        raise StudyError([Problem(str(path), "is no mapping; a study has at least study and rois")])
    check_size(config, str(path))
    return config


def _parse(text: str) -> Any:
    """A YAML text; a day that no month has stays text, so that its setting can be named.

    Raises:
        ValueError: it is not YAML, or is nested deeper than can be read.
    """
    import yaml  # not needed where Snakemake has read the study

    class Loader(yaml.SafeLoader):
        """A loader of its own, whose dates do not change those of others."""

    def date(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Any:
        try:
            return loader.construct_yaml_timestamp(node)
        except ValueError:
            return node.value

    Loader.add_constructor("tag:yaml.org,2002:timestamp", date)
    try:
        return yaml.load(text, Loader)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None
    except RecursionError:
        raise ValueError(f"it is nested deeper than {DEEPEST} levels") from None


def check_size(config: Mapping[str, Any], where: str) -> None:
    """Refuse a study that stands for more values, or deeper ones, than a study can have.

    Raises:
        StudyError: it does.
    """
    seen = 0
    waiting: list[tuple[Any, int]] = [(config, 1)]
    while waiting:
        value, depth = waiting.pop()
        held: list[Any] = list(value.values()) if isinstance(value, Mapping) else []
        held = list(value) if isinstance(value, list | tuple) else held
        seen += len(held)
        if depth > DEEPEST or seen > MOST_VALUES:
            raise StudyError(
                [
                    Problem(
                        where,
                        f"stands for more than {MOST_VALUES:,} values or "
                        f"{DEEPEST} levels once its aliases (*) are written "
                        f"out",
                    )
                ]
            )
        waiting += [(item, depth + 1) for item in held if isinstance(item, Mapping | list | tuple)]
