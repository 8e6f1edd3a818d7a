"""The tiny checkpoints of each family: one module per family, whose FOLDERS says what to record.

A row of FOLDERS, by the folder's name: `config` (a transformers configuration) and `seed`; and optionally `dtype` on disk
(float32), `shard` (bytes per file), `rewrite(config, dtype)` (another config.json), `spread(name, weight)` (the deviation
of a parameter, or None for the usual one), `exact` (False: the reference is transformers' `double()`, in which what it
computes in float32 inside stays so; True: `reference.make_float64` knows the family; else the function that does).
"""

import importlib
import pkgutil

FOLDERS = {}
for module in sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name):
    rows = importlib.import_module(f"{__name__}.{module.name}").FOLDERS
    if shared := FOLDERS.keys() & rows.keys():
        raise SystemExit(f"{module.name}: {sorted(shared)} are rows of another family too")
    FOLDERS |= rows
