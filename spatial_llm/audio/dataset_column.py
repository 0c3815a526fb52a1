"""Recordings in a column of a `datasets.Dataset`, as they are stored: decoding them there averages their channels."""

from typing import Any

from spatial_llm.errors import SpatialLLMError


def undecoded(dataset: Any, *columns: str) -> Any:
    """Returns the data set with the recordings of its first column as bytes and path; columns of other kinds stay.

    Args:
        dataset: a `datasets.Dataset`.
        columns: names of columns that must be there; the first holds the recordings.

    Raises:
        SpatialLLMError: it is no `Dataset`, has no rows, or a column is missing.
    """
    from datasets import Audio, Dataset  # takes a second

    if not isinstance(dataset, Dataset):
        hint = f": choose a split, one of {list(dataset)}" if isinstance(dataset, dict) else ""
        raise SpatialLLMError(f"the data set is a {type(dataset).__name__}; expected a datasets.Dataset{hint}.")
    missing = [name for name in columns if name not in dataset.column_names]
    if missing or not len(dataset):
        raise SpatialLLMError(
            f"the data set has {len(dataset)} rows and the columns {dataset.column_names}; expected at least one row and "
            f"{', '.join(columns)}: rename its columns, or name them in the call."
        )
    name = columns[0]
    return dataset.cast_column(name, Audio(decode=False)) if isinstance(dataset.features[name], Audio) else dataset
