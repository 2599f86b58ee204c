"""Reads TensorBoard's event files with TensorBoard's own reader and compares them with metrics.jsonl.

usage: check_events.py RUN
"""

import json
import math
import sys
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

run = Path(sys.argv[1])
lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
events = EventAccumulator(str(run))
events.Reload()
tags = sorted(events.Tags()["scalars"])
expected = sorted({key for line in lines for key in line if key == "lr" or key.split("/")[0] in ("batch", "train", "val")})
assert tags == expected, f"tags {tags}, expected {expected}"
count = 0
for tag in tags:
    found = [(scalar.step, scalar.value) for scalar in events.Scalars(tag)]
    wanted = [(line["step"], line[tag]) for line in lines if tag in line]
    assert len(found) == len(wanted) > 0, f"{tag}: {len(found)} values, expected {len(wanted)}"
    for (step, value), (wanted_step, wanted_value) in zip(found, wanted):
        assert step == wanted_step, f"{tag}: step {step}, expected {wanted_step}"
        assert math.isclose(value, wanted_value, rel_tol=1e-6), f"{tag} at {step}: {value}, expected {wanted_value}"
        count += 1
print(f"TensorBoard reads {count} values of {len(tags)} tags, all as in metrics.jsonl")
