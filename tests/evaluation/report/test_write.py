"""The report: worst items by their rule, plots from known items, foreign text escaped, the same bytes twice."""

import base64
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import soundfile

from spatial_llm.data.records import read_manifest, write_manifest
from spatial_llm.data.rendering import render_record
from spatial_llm.errors import ManifestError, OutputError
from spatial_llm.evaluation.predicting.evaluation_set import read_evaluation_set
from spatial_llm.evaluation.report import write_report
from spatial_llm.evaluation.report.directions import draw_plan, has_plan
from spatial_llm.evaluation.report.items import (
    BY_DIRECTION,
    OF_ONE_RECORDING,
    WORST,
    Context,
    Place,
    ScoredItem,
    ShownItem,
    azimuth_of,
    read_scored_items,
    worst_items,
)
from spatial_llm.evaluation.report.markdown import code
from spatial_llm.evaluation.report.plots import draw_plots
from spatial_llm.evaluation.report.single_file import embed_files
from spatial_llm.evaluation.verdicts import hearing_verdict
from spatial_llm.files import sha256_of, write_json
from spatial_llm.jsonl import write_jsonl
from spatial_llm.questions.about import About
from spatial_llm.questions.facts import HeardScene
from spatial_llm.questions.types import QUESTION_TYPES, parse_value
from tests.evaluation.fixtures_small import write_small_set
from tests.evaluation.report.case import INJECTED, item_line, scores_of, write_case

HERE, NOTHING = Place(45.0, 30.0, 2.0), Context()


def item(number, *, question_type="DOA", answer="left, front, above; 2m", value="right, front, above; 3m", recording=None,
         where=HERE, context=NOTHING, **measures):  # fmt: skip
    return ScoredItem(
        f"q{number}", recording or f"r{number}", QUESTION_TYPES[question_type], question_type, "Where?", answer, value,
        parse_value(question_type, value), None, False, {"right": 0.0} | measures, where, context,
    )  # fmt: skip


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    folder = tmp_path_factory.mktemp("case")
    manifest, scores = write_case(folder, recordings=16)
    page = write_report(scores, read_evaluation_set(manifest), folder / "report")
    return manifest, scores, page


class Page(HTMLParser):
    """What a page is made of; raises where tags do not nest."""

    VOID = ("meta", "img", "link", "br", "rect", "line", "circle")

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.words = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def test_every_file_of_the_page_is_there_and_nothing_is_fetched(case):
    page = case[2]
    parsed = Page(page.read_text())
    sources = [attributes["src"] for tag, attributes in parsed.tags if "src" in attributes]
    assert len([name for name in sources if name.endswith(".flac")]) > 5 and len(sources) > 20
    for name in sources:
        assert (page.parent / name).stat().st_size > 0
    used = {page.parent / name for name in sources} | {page, page.parent / "report.md"}
    assert used == {path for path in page.parent.rglob("*") if path.is_file()}
    text = page.read_text()
    assert not re.search(r"https?://|@import|url\(", text) and "script" not in {tag for tag, _ in parsed.tags}
    assert all(attributes.get("alt") for tag, attributes in parsed.tags if tag == "img")
    headings = [int(tag[1]) for tag, _ in parsed.tags if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == 1 and headings.count(1) == 1
    anchors = {attributes["href"][1:] for tag, attributes in parsed.tags if attributes.get("href", "").startswith("#")}
    assert anchors <= {attributes.get("id") for _, attributes in parsed.tags}


def test_foreign_text_is_text(case):
    """A question with a script in it, an answer that closes tags: shown to the letter, never markup."""
    text, parsed = case[2].read_text(), Page(case[2].read_text())
    assert "script" not in {tag for tag, _ in parsed.tags} and "b" not in {tag for tag, _ in parsed.tags}
    assert "&lt;script&gt;" in text and "I cannot tell &lt;/dd&gt;&lt;b&gt;" in text
    assert INJECTED in parsed.words
    markdown = (case[2].parent / "report.md").read_text()
    assert f"``{INJECTED}``" in markdown


def test_the_numbers_of_the_scores_stand_on_the_page(case):
    scores = json.loads((case[1] / "scores.json").read_text())
    words = " ".join(Page(case[2].read_text()).words)
    for entry in scores["metrics"].values():
        assert f"{entry['value']:.2f}" in words and f"{entry['low']:.2f} to {entry['high']:.2f}" in words
    assert scores["provenance"]["manifest_sha256"][:16] in words
    assert hearing_verdict(scores) in words and "8-way direction (B)" in words and "None of these is comparable" in words


def test_two_runs_write_equal_bytes(case, tmp_path):
    manifest, scores, page = case
    write_report(scores, read_evaluation_set(manifest), tmp_path / "again")
    names = sorted(path.relative_to(page.parent) for path in page.parent.rglob("*") if path.is_file())
    again = sorted(path.relative_to(tmp_path / "again") for path in (tmp_path / "again").rglob("*") if path.is_file())
    assert names == again
    for name in names:
        assert (page.parent / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name
    everything = b"".join((page.parent / name).read_bytes() for name in names)
    assert str(page.parent).encode() not in everything and b"matplotlib" not in everything.lower()


def test_players_share_one_gain_and_none_clips(case):
    """Level says distance: what is louder in the record is louder on the page."""
    manifest, scores, page = case
    records = {record.id: record for record in read_manifest(manifest)}
    worst = [found for _, found in worst_items(read_scored_items(scores / "items.jsonl"))]
    files = [dict(attributes)["src"] for tag, attributes in Page(page.read_text()).tags if tag == "audio"]
    gains, peaks = [], []
    for shown, name in zip(worst, files, strict=True):
        samples, rate = soundfile.read(page.parent / name, dtype="float32")
        rendered = render_record(records[shown.id], manifest.parent)
        assert rate == records[shown.id].sampling_rate and samples.T.shape == rendered.shape
        gains.append(np.vdot(samples.T, rendered) / np.vdot(rendered, rendered))
        peaks.append(np.abs(samples).max())
    np.testing.assert_allclose(gains, gains[0], rtol=1e-3)
    assert max(peaks) == pytest.approx(0.9, abs=1e-4)


def test_worst_items_follow_their_rule():
    directions = [item(n, region_distance_deg=10.0 + n, distance_error_m=1.0) for n in range(20)]
    distances = [
        item(100 + n, question_type="DISTANCE", answer="2m", value="4m", distance_error_m=2.0 + n) for n in range(20)
    ]
    unread = [item(200 + n, question_type="MIXUP_DIRECTION", answer="Yes", value="?", where=None) for n in range(3)]
    wrong = [item(300 + n, question_type="PRESENT", answer="Yes", value="No", where=None) for n in range(9)]
    right = [item(400, region_distance_deg=99.0) for _ in range(1)]
    right[0].measures["right"] = 1.0
    found = worst_items([*wrong, *right, *distances, *unread, *directions])
    ids = [each.id for _, each in found]
    assert ids[:BY_DIRECTION] == [f"q{n}" for n in range(19, 11, -1)]
    assert ids[BY_DIRECTION:14] == [f"q{n}" for n in range(119, 113, -1)]
    assert ids[14:] == ["q200", "q300", "q201", "q301", "q202", "q302"] and len(ids) == WORST
    assert found[0][0] == "direction 29° off" and found[8][0] == "distance 21.0 m off"
    assert found[14][0] == "answer cannot be read" and found[15][0] == "wrong answer"


def test_at_most_two_of_one_recording_and_no_more_than_there_are():
    many = [item(n, recording="r0", region_distance_deg=90.0 + n) for n in range(9)]
    other = [item(50, recording="r1", region_distance_deg=5.0)]
    assert [each.id for _, each in worst_items([*many, *other])] == ["q8", "q7", "q50"]
    assert OF_ONE_RECORDING == 2
    assert worst_items([]) == []


def test_where_answers_point():
    assert azimuth_of({"left_right": "left", "front_behind": "behind", "above_below": "above"}) == pytest.approx(135)
    assert azimuth_of({"left_right": "right", "front_behind": "front"}) == pytest.approx(-45)
    assert azimuth_of({"clock_hour": 3}) == -90 and azimuth_of({"azimuth_deg": 12}) == 12
    assert azimuth_of({"yes": True}) is None and azimuth_of(None) is None
    turned = item(0, question_type="ROTATED", answer="left, front, above; 2m")
    assert turned.azimuth_of(turned.strict) is None


def test_plots_count_what_the_items_say(tmp_path):
    """The words of the plots, from items whose shares are known."""
    items = [item(n, value="left, front, above; 2m" if n < 3 else "right, front, above; 9m", region_distance_deg=10.0 * n,
                  context=Context(1 + n % 2, 0.2 + 0.1 * n, None, 10.0, ("bell",) if n % 2 else ("dog", "$x$ $")))
             for n in range(4)] * 10  # fmt: skip
    items = [replace(each, id=f"i{n}", recording_id=f"i{n}") for n, each in enumerate(items)]
    for index, each in enumerate(items):
        items[index] = replace(each, measures=each.measures | {"right": float(index % 4 < 3)})
    plots = {plot.title: plot for plot in draw_plots(items, tmp_path, resamples=50)}
    words = plots["Azimuth in words: where answers point"]
    assert "front left 75 %" in words.alt and words.file == "azimuth_words.png"
    assert "75.0 % within 0.5 m" in plots["Distance: answered against true"].alt
    assert "where, in words (B, D): 100, 50 %" in plots["Right answers by number of sources"].alt
    assert "bell 50 %" in plots["Hardest classes"].alt
    assert "10 answers far beyond" in plots["Distance: answered against true"].caption
    left_out = {title: plot.caption for title, plot in plots.items() if plot.file is None}
    assert left_out == {
        "Azimuth in degrees and on the clock: where answers point": "no question asks for an azimuth in degrees or on the "
        "clock",
        "Direction error by true distance": "nearly the same distances",
        "Right answers by direct-to-reverberant ratio": "the records do not say it",
        "Right answers by signal-to-noise ratio": "nearly the same in all recordings",
    }
    for plot in plots.values():
        if plot.file is not None:
            assert matplotlib.image.imread(tmp_path / plot.file).shape[1] == 1320  # 660 pixels on the page, twice as fine
    assert len(list(tmp_path.iterdir())) == len(plots) - len(left_out)


def test_a_plan_has_the_answer_where_it_points(tmp_path):
    """True to the left (blue), answered to the right (orange): each colour stands on its side of the picture."""
    shown = item(0, question_type="AZIMUTH_DEG", answer="90 degrees", value="-90 degrees", where=Place(90.0, 0.0, 2.0))
    assert has_plan(shown, None) and not has_plan(replace(shown, where=None), None)
    draw_plan(shown, None, tmp_path / "plan.png")
    picture = matplotlib.image.imread(tmp_path / "plan.png")[150:, :, :3]  # without the legend
    middle = picture.shape[1] / 2
    for color, side in (((0.0, 0.447, 0.698), -1), ((0.835, 0.369, 0.0), 1)):
        columns = np.argwhere(np.abs(picture - color).max(axis=-1) < 0.05)[:, 1]
        assert len(columns) > 50 and np.sign(columns.mean() - middle) == side


def test_the_sources_that_a_question_asks_about_are_marked(case, tmp_path):
    """As its recorded meaning says: both of a relation, and one of two that sound at the same place."""
    pairs = [record for record in read_manifest(case[0]) if record.question_type == "MIXUP_DIRECTION"]
    relation = replace(pairs[0], about=About((0, 1), axis="left_right", side="left"))
    (first, second), places = pairs[1].scene.sources, pairs[1].scene.truth.sources
    together = replace(
        pairs[1].scene, sources=(first, replace(second, position_m=first.position_m)),
        truth=replace(pairs[1].scene.truth, sources=(places[0], places[0])),
    )  # fmt: skip
    azimuth = f"{HeardScene.from_scene(together).sources[1].whole_azimuth_deg:g} degrees"
    one = replace(
        pairs[1], scene=together, type="azimuth", question_type="AZIMUTH_DEG", question="At what azimuth is it?",
        answer=azimuth, truth=parse_value("AZIMUTH_DEG", azimuth), about=About((1,)),
    )  # fmt: skip
    write_manifest(tmp_path / "eval.jsonl", [relation, one])
    lines = [item_line(relation, "?"), item_line(one, "?")]
    write_jsonl(tmp_path / "scores" / "items.jsonl", lines)
    write_json(tmp_path / "scores" / "scores.json", scores_of(lines, sha256_of(tmp_path / "eval.jsonl")))
    write_report(tmp_path / "scores", read_evaluation_set(tmp_path / "eval.jsonl"), tmp_path / "report")
    shown = (tmp_path / "report" / "report.md").read_text().split("worst items")[1].split("### ")[1:]
    marked = {re.search("record: `(.*)`", text)[1]: re.findall("source .*", text) for text in shown}
    asked = {id: ["(asked about)" in line for line in lines] for id, lines in marked.items()}
    assert asked == {relation.id: [True, True], one.id: [False, True]}


def test_released_pairs_and_files_have_no_scene(tmp_path):
    """Recordings from files: players, places from `where`, no room; a missing file is said, not fatal."""
    manifest = write_small_set(tmp_path / "data")
    lines = [item_line(record, "?") for record in read_manifest(manifest)]
    lines[3]["where"] = {"azimuth_deg": 30.0, "elevation_deg": None, "distance_m": 2.0}
    write_jsonl(tmp_path / "scores" / "items.jsonl", lines)
    write_json(tmp_path / "scores" / "scores.json", scores_of(lines, sha256_of(manifest)))
    (tmp_path / "data" / "r1.wav").unlink()
    with pytest.warns(UserWarning, match="no player for recording 'r1'"):
        page = write_report(tmp_path / "scores", read_evaluation_set(manifest), tmp_path / "report")
    text = page.read_text()
    assert "could not be made where this report was written" in text and "does not say where its sounds are" in text
    assert text.count("<audio") == 4 and text.count('src="items/') == 5  # two items each of two recordings, and one plan
    assert str(tmp_path) not in text


def test_what_does_not_belong_together_is_refused(case, tmp_path):
    manifest, scores, _ = case
    records = read_manifest(manifest)
    write_manifest(tmp_path / "other.jsonl", records[:-1])
    with pytest.raises(ManifestError, match="give the questions that were scored"):
        write_report(scores, read_evaluation_set(tmp_path / "other.jsonl"), tmp_path / "out")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "scores.json").write_text("{}")
    with pytest.raises(OutputError, match=r"holds files and no index\.html"):
        write_report(scores, read_evaluation_set(manifest), tmp_path / "full")
    with pytest.raises(ManifestError, match=r"scores\.json: lacks benchmark.*run score again"):
        write_report(tmp_path / "full", read_evaluation_set(manifest), tmp_path / "out")
    with pytest.raises(ManifestError, match="cannot be read"):
        write_report(tmp_path, read_evaluation_set(manifest), tmp_path / "out")
    assert not (tmp_path / "out").exists() and list((tmp_path / "full").iterdir()) == [tmp_path / "full" / "scores.json"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: [{"id": "q"}], r"items\.jsonl:1: recording_id: field is missing"),
        (lambda lines: [lines[0] | {"measures": {"right": "x"}}], r"items\.jsonl:1: measures\.right"),
        (lambda lines: [lines[0], lines[0]], "id 'q0-0' stands twice"),
        (lambda lines: [], "holds no item"),
    ],
)
def test_broken_items_are_refused(case, tmp_path, change, message):
    lines = [json.loads(line) for line in (case[1] / "items.jsonl").read_text().splitlines()]
    write_jsonl(tmp_path / "items.jsonl", change(lines))
    with pytest.raises(ManifestError, match=message):
        read_scored_items(tmp_path / "items.jsonl")


def test_code_spans_hold_any_text():
    assert (
        code("a`b``c") == "```a`b``c```" and code("`a`") == "`` `a` ``" and code("a\nb") == "`a b`" and code("") == "(empty)"
    )


def test_a_report_is_replaced_whole(tmp_path):
    manifest, scores = write_case(tmp_path, recordings=2)
    (tmp_path / "report").mkdir()
    Path(tmp_path / "report" / "index.html").write_text("old")
    Path(tmp_path / "report" / "left.png").write_text("old")
    write_report(scores, read_evaluation_set(manifest), tmp_path / "report")
    assert not (tmp_path / "report" / "left.png").exists() and "<h1>" in (tmp_path / "report" / "index.html").read_text()


def test_a_single_file_holds_what_the_folder_holds(case, tmp_path):
    """The same page, but with the bytes of every picture and recording in place of its name; it stands alone."""
    manifest, scores, page = case
    alone = write_report(scores, read_evaluation_set(manifest), tmp_path / "alone", single_file=True)
    assert [path.name for path in (tmp_path / "alone").rglob("*")] == ["index.html"]
    text = alone.read_text()
    found = re.findall(r'"data:(image/png|audio/flac);base64,([^"]+)"', text)
    names = re.findall(r'src="([^"]+)"', page.read_text())
    assert [base64.b64decode(content) for _, content in found] == [(page.parent / name).read_bytes() for name in names]
    for (kind, content), name in zip(found, names, strict=True):
        text = text.replace(f"data:{kind};base64,{content}", name, 1)
    assert text == page.read_text()


def test_recordings_beyond_the_bound_are_left_out_with_a_sentence(tmp_path):
    for name, size in (("plan.png", 300), ("a.flac", 600), ("b.flac", 6000), ("c.flac", 300)):
        (tmp_path / name).write_bytes(bytes(size))
    worst = [ShownItem(n, "", item(n), f"{name}.flac", "plan.png", "", ()) for n, name in enumerate("abc")]
    _, shown = embed_files([], worst, tmp_path, most_bytes=3000)  # 4 characters for 3 bytes: 3 x 400, 800, 8000, 400
    assert [each.audio is None for each in shown] == [False, True, False]
    assert all(each.plan.startswith("data:image/png;base64,AAAA") for each in shown)
    assert "at most 0.003 MB; the report as a folder has it" in shown[1].no_audio


def test_the_reading_that_is_reported_is_the_one_that_is_drawn_and_told(case, tmp_path):
    """An item that only the lenient reading reads: unreadable in a strict report, pointing somewhere in a lenient one."""
    line = json.loads((case[1] / "items.jsonl").read_text().splitlines()[0])
    line |= {"strict": None, "lenient": {"left_right": "left"}, "measures": {"right": 0.0}, "refused": False}
    write_jsonl(tmp_path / "items.jsonl", [line])
    (strict,), (lenient,) = (read_scored_items(tmp_path / "items.jsonl", reading) for reading in ("strict", "lenient"))
    assert strict.said is None and lenient.said == {"left_right": "left"}
    assert worst_items([strict])[0][0] == "answer cannot be read" and worst_items([lenient])[0][0] == "wrong answer"
