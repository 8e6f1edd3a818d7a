"""Prints what TensorBoard reads of a folder of event files: `python oracles/train/events.py FOLDER`. Needs tensorboard 2.21."""

import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

# 0: all of them.
read = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "tensors": 0})
read.Reload()
for tag in read.Tags()["scalars"]:
    print(tag, *(f"{event.step}:{event.value:g}" for event in read.Scalars(tag)))
for tag in read.Tags()["tensors"]:
    for event in read.Tensors(tag):
        print(tag, f"{event.step}:", *(value.decode() for value in event.tensor_proto.string_val))
