"""The kinds of pairs, one file each. A new kind is a file here and a line in `_ALL`."""

from spatial_llm.data.preference.kinds import (
    absent_sound,
    front_back,
    half_metre,
    humility,
    mirrored,
    needless_doubt,
    one_metre,
    other_question,
    swapped_source,
    unknowable_direction,
    unknowable_distance,
)
from spatial_llm.data.preference.kinds.kind import PairKind

_ALL = (
    mirrored.KIND,
    front_back.KIND,
    half_metre.KIND,
    one_metre.KIND,
    swapped_source.KIND,
    other_question.KIND,
    absent_sound.KIND,
    unknowable_direction.KIND,
    unknowable_distance.KIND,
    needless_doubt.KIND,
    humility.KIND,
)
KINDS: dict[str, PairKind] = {kind.name: kind for kind in _ALL}
