"""Decides which rows train and which evaluate, so that no recording and no room is on both sides."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from spatial_llm.data.importing.table import Row
from spatial_llm.errors import ManifestError

Split = Literal["train", "eval"]
Key = tuple[str, str]  # what is shared, as users call it, and its name


@dataclass(frozen=True)
class Member:
    """Holds a row, the split that it names ("" if none), and what ties it to others: its file, recording and room."""

    row: Row
    split: str
    keys: tuple[Key, ...]


def given_split(row: Row) -> str:
    """Returns the split that a row names, "" if none. Raises ManifestError if it is none of ours."""
    split = row.text("split")
    if split not in ("", "train", "eval"):
        right = "train" if split.lower().startswith("tr") else "eval"
        raise row.error(f"split is {split!r}; expected 'train', 'eval', or nothing to have it drawn", split=right)
    return split


def assign_splits(members: Sequence[Member], eval_share: float, seed: int) -> list[Split]:
    """Returns the split of each row. Rows tied to one with a split take the same; of the others, groups that share nothing
    are drawn for evaluation until they are about `eval_share` of all rows, at least one group if the share is above 0.

    A group is drawn by a hash of seed and content, so that rows that are added later do not move the others.

    Raises:
        ManifestError: a recording or room is in both splits, or all rows hang together, so that none is left to evaluate on.
    """
    _refuse_shared(members)
    groups = _groups(members)
    chosen = [{members[index].split for index in group} - {""} for group in groups]
    for group, splits in zip(groups, chosen, strict=True):
        if len(splits) > 1:
            _refuse_chain([members[index] for index in group])
    drawn = [number for number, splits in enumerate(chosen) if not splits]
    sizes = {number: len(groups[number]) for number in drawn}
    already = sum(len(group) for group, splits in zip(groups, chosen, strict=True) if splits == {"eval"})
    training = any(splits == {"train"} for splits in chosen)
    if drawn and eval_share > 0 and not already and not training and len(drawn) == 1:
        _refuse_one_group(members)
    names = {number: min(key for index in groups[number] for key in members[index].keys) for number in drawn}
    order = sorted(drawn, key=lambda number: hashlib.sha256(f"{seed} {names[number]}".encode()).hexdigest())
    left = eval_share * len(members) - already
    evaluated = []
    for number in order[: len(order) if training else -1]:  # something is left to train on
        if sizes[number] <= left:
            evaluated.append(number)
            left -= sizes[number]
    if drawn and eval_share > 0 and not already and not evaluated:
        evaluated = [min(order, key=sizes.__getitem__)]
    splits = [""] * len(members)
    for number, group in enumerate(groups):
        split = next(iter(chosen[number]), "eval" if number in evaluated else "train")
        for index in group:
            splits[index] = split
    return splits


def _groups(members: Sequence[Member]) -> list[list[int]]:
    """Returns the rows that hang together by shared keys, as lists of indices, in order of their first rows."""
    first: dict[Key, int] = {}
    parent = list(range(len(members)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for index, member in enumerate(members):
        for key in member.keys:
            one, two = sorted((root(index), root(first.setdefault(key, index))))
            parent[two] = one
    groups: dict[int, list[int]] = defaultdict(list)
    for index in range(len(members)):
        groups[root(index)].append(index)
    return list(groups.values())


def _refuse_shared(members: Sequence[Member]) -> None:
    seen: dict[Key, dict[str, Member]] = defaultdict(dict)
    for member in members:
        for key in member.keys if member.split else ():
            seen[key].setdefault(member.split, member)
            if len(seen[key]) == 2:
                (other,) = (held for split, held in seen[key].items() if split != member.split)
                kind, name = key
                named = f"{kind} of {other.row.where}" if kind == "sound file" else f"{kind} {name!r}"
                raise member.row.error(
                    f"split is {member.split!r}, but the {named} is in {other.split!r} already ({other.row.where}); "
                    "what was trained on measures nothing",
                    split=other.split,
                )


def _refuse_chain(group: Sequence[Member]) -> None:
    train, unseen = (next(member for member in group if member.split == split) for split in ("train", "eval"))
    raise unseen.row.error(
        f"split is 'eval', and rows without a split tie it to {train.row.where}, which is 'train', by a recording or a room "
        "that they share with both",
        split="train",
    )


def _refuse_one_group(members: Sequence[Member]) -> None:
    shared = set.intersection(*(set(member.keys) for member in members))
    kind, name = next(iter(sorted(shared)), ("recording or room", ""))
    named = f"one {kind}" + (f", {name!r}" if name and kind != "sound file" else "")
    row = members[-1].row
    raise ManifestError(
        f"{row.where}: all rows share {named}, so that none can be kept for evaluation. Add rows of another recording and "
        f"room, or train on all: --eval_share 0, or split 'train' in every row. {row.right_line(split='train')}"
    )
