"""The knob table: every knob that the stages declare, by name.

Validation, keys, `rsweep describe`, the JSON schema of a study and docs/settings.md all come from
this table and from the knobs that model cards add to it.
"""

from __future__ import annotations

from rsweep.core.knobs import Knob
from rsweep.stages.registry import STAGES

CORE: dict[str, Knob] = {k.name: k for stage in STAGES.values() for k in stage.knobs}
