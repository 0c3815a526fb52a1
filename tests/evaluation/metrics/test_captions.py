"""CIDEr: the library's own values, one case written out by hand, captions of one recording; the F1 of scene tuples."""

import math
import sys
from collections import Counter

import pytest
from pycocoevalcap.cider.cider import Cider

from spatial_llm.answers.kinds.timed_caption import parse_timed_caption
from spatial_llm.errors import ManifestError, SpatialLLMError
from spatial_llm.evaluation.metrics.captions import cider_of_items, scene_tuples, tuple_f1, words_of_caption

TRUE = {
    "a": ["A dog barks twice in a yard.", "Dog barking outside", "A dog is barking while birds sing"],
    "b": ["Rain falls on a roof", "It rains heavily on a tin roof"],
    "c": ["A man speaks and a bell rings", "A bell rings as someone talks"],
}
SAID = {"a": "A dog barks in a yard", "b": "Heavy rain on a tin roof", "c": "Music plays"}
# Of pycocoevalcap 1.2 on these sentences without punctuation and case.
OFFICIAL = {"a": 2.232899, "b": 3.360206, "c": 0.0}


def items(said, true):
    rows = [(said[key], caption, key) for key, captions in true.items() for caption in captions]
    return [list(column) for column in zip(*rows, strict=True)]


def by_definition(said, true):
    """CIDEr of arXiv 1411.5726 as its reference code has it: clipped counts, a Gaussian of lengths, times 10."""

    def grams(text, n):
        words = text.lower().split()
        return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))

    recordings = list(true)
    rare = {}
    for n in range(1, 5):
        occurs = Counter(gram for key in recordings for gram in set().union(*(grams(one, n) for one in true[key])))
        rare[n] = lambda gram, occurs=occurs: math.log(len(recordings)) - math.log(max(1, occurs[gram]))
    values = {}
    for key in recordings:
        total = 0.0
        for reference in true[key]:
            lengths = len(said[key].split()) - len(reference.split())
            for n in range(1, 5):
                one = {gram: count * rare[n](gram) for gram, count in grams(said[key], n).items()}
                other = {gram: count * rare[n](gram) for gram, count in grams(reference, n).items()}
                norm = math.sqrt(sum(v * v for v in one.values())) * math.sqrt(sum(v * v for v in other.values()))
                shared = sum(min(v, other.get(gram, 0.0)) * other.get(gram, 0.0) for gram, v in one.items())
                total += (shared / norm if norm else 0.0) * math.exp(-(lengths**2) / (2 * 6.0**2)) / 4
        values[key] = 10 * total / len(true[key])
    return values


def test_values_are_the_librarys_and_those_of_the_definition():
    texts, references, recordings = items(SAID, TRUE)
    found = cider_of_items(texts, references, recordings)
    plain_true = {key: [words_of_caption(one) for one in captions] for key, captions in TRUE.items()}
    plain_said = {key: words_of_caption(text) for key, text in SAID.items()}
    _, theirs = Cider().compute_score(plain_true, {key: [text] for key, text in plain_said.items()})
    expected = by_definition(plain_said, plain_true)
    for key, official in zip(TRUE, theirs, strict=True):
        own = {value for value, recording in zip(found.tolist(), recordings, strict=True) if recording == key}
        assert own == {official}
        assert official == pytest.approx(expected[key]) == pytest.approx(OFFICIAL[key], abs=1e-6)
    assert expected["c"] == 0 < expected["a"] < expected["b"]


def test_one_case_by_hand():
    """Two recordings of one word each: a right word scores 10 x 1/4, because it has no longer n-grams."""
    assert cider_of_items(["bell", "bell"], ["bell", "dog"], ["a", "b"]).tolist() == pytest.approx([2.5, 0.0])
    # "red bell" against "red bell" and "blue bell": with "bell" in both, its weight is 0; "red" and "red bell" remain.
    values = cider_of_items(["red bell", "red bell"], ["red bell", "blue bell"], ["a", "b"])
    assert values.tolist() == pytest.approx([10 * (1 + 1) / 4, 0.0])


def test_each_answer_is_compared_with_all_captions_of_its_recording():
    texts = ["a dog barks", "rain falls", "music", "music"]
    references, recordings = ["a dog barks", "rain falls", "a bell", "a horn"], ["a", "a", "b", "b"]
    first, second, *others = cider_of_items(texts, references, recordings)
    assert first > 0 and second > 0 and others == [0.0, 0.0]
    # The order of rows does not matter.
    order = [2, 0, 3, 1]
    again = cider_of_items(*([column[i] for i in order] for column in (texts, references, recordings)))
    assert again.tolist() == pytest.approx([[first, second, *others][i] for i in order])


def test_words_of_a_caption():
    assert words_of_caption("Audio caption: A man's  dog, barking!") == "a mans dog barking"
    assert words_of_caption("") == ""


def test_one_recording_alone_and_a_library_that_is_not_there_are_refused(monkeypatch):
    with pytest.raises(ManifestError, match="there is one; give more"):
        cider_of_items(["a"], ["a"], ["only"])
    monkeypatch.setitem(sys.modules, "pycocoevalcap", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SpatialLLMError, match=r'pip install "spatial-llm\[captions\]"'):
        cider_of_items(["a", "b"], ["a", "b"], ["1", "2"])


def test_tuples_are_what_a_caption_says():
    events = parse_timed_caption("1.1 to 2.4 s dog, left, front, 2.5m; 3.0 s bell, azimuth -37 degrees")
    assert scene_tuples(events) == Counter(
        [
            ("dog",), ("dog", "left"), ("dog", "front"), ("dog", "distance", "2.5"),
            ("dog", "from", "1"), ("dog", "to", "2"),
            ("bell",), ("bell", "azimuth", "-40"), ("bell", "from", "3"),
        ]
    )  # fmt: skip


def test_f1_of_tuples_by_hand():
    true = parse_timed_caption("1.0 to 2.0 s dog, left; 3.0 to 4.0 s bell, right")  # 4 tuples each
    assert tuple_f1(true, true) == 1
    one = parse_timed_caption("1.0 to 2.0 s dog, right")  # dog, from and to of its four are right
    assert tuple_f1(one, true) == pytest.approx(2 * 3 / (4 + 8))
    twice = parse_timed_caption("1.0 to 2.0 s dog, left; 1.0 to 2.0 s dog, left")
    assert tuple_f1(twice, true) == pytest.approx(2 * 4 / (8 + 8)), "what is said twice counts once"
    assert tuple_f1(None, true) == 0
    assert tuple_f1([], []) == 1 and tuple_f1([], true) == 0
