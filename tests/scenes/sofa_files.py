"""SOFA files for tests: MIT KEMAR, written with the library of the standard, with fields or directions exchanged."""

from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import sofar

from spatial_llm.scenes.heads.hrtf import kemar

RATE = 32000


def kemar_sofa(chosen: np.ndarray | None = None, **fields: Any) -> sofar.Sofa:
    """KEMAR, or those of its directions that are chosen, with other values of some fields."""
    head = kemar(RATE)
    chosen = np.ones(len(head.directions), dtype=bool) if chosen is None else chosen
    sofa = sofar.Sofa("SimpleFreeFieldHRIR")
    sofa.Data_IR, sofa.Data_SamplingRate = head.responses[chosen].astype(float), float(RATE)
    sofa.Data_Delay = np.zeros((1, 2))
    azimuth_deg, elevation_deg = head.azimuth_deg[chosen] % 360, head.elevation_deg[chosen]
    sofa.SourcePosition = np.column_stack([azimuth_deg, elevation_deg, np.full(len(azimuth_deg), 1.4)])
    for name, value in fields.items():
        setattr(sofa, name, value)
    return sofa


def write_kemar(path: Path, chosen: np.ndarray | None = None, **fields: Any) -> Path:
    """Writes `kemar_sofa`."""
    sofar.write_sofa(str(path), kemar_sofa(chosen, **fields), compression=0)  # four times as fast
    return path


def rewritten(path: Path, out: Path, **changed: Any) -> Path:
    """A copy in which variables (`.` as `__`) have other values, of other shapes, or attributes: what sofar would not
    write. A value of None leaves the variable out; {"Units": ...} changes attributes."""
    with netCDF4.Dataset(path) as source, netCDF4.Dataset(out, "w") as copy:
        for name in source.ncattrs():
            copy.setncattr(name, changed.get(f"GLOBAL_{name}", source.getncattr(name)))
        for name, dimension in source.dimensions.items():
            copy.createDimension(name, len(dimension))
        for name, variable in source.variables.items():
            change = changed.get(name.replace(".", "__"), {})
            if change is None:
                continue
            values = variable[:] if isinstance(change, dict) else np.ma.asarray(change)
            dimensions = variable.dimensions
            if values.shape != variable.shape:
                dimensions = tuple(f"{name.replace('.', '')}{axis}" for axis in range(values.ndim))
                for dimension, size in zip(dimensions, values.shape, strict=True):
                    copy.createDimension(dimension, size)
            new = copy.createVariable(name, values.dtype if not isinstance(change, dict) else variable.dtype, dimensions)
            attributes = {key: variable.getncattr(key) for key in variable.ncattrs()}
            new.setncatts(attributes | (change if isinstance(change, dict) else {}))
            new[:] = values
    return out
