"""A small phantom cohort and a quick recipe, for tests of the whole way from synth to export."""

from dataclasses import replace

from training.recipes import recipe

QUICK = replace(
    recipe("bmd", "reference"), network={"trunk_width": 8, "width": 16}, epochs=2, batch_size=8, validation=0.2, calibration=0.25
)
CASES, ROWS = 40, 160
