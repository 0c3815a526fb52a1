"""The page of gradio: its parts, and which click calls what."""

import functools
import html
import sys
import traceback
from collections.abc import Callable
from importlib import resources
from typing import Any

import gradio as gr

from spatial_llm.errors import SpatialLLMError
from spatial_llm.page.answer_html import answers_html, header_html
from spatial_llm.page.arguments import AppArguments
from spatial_llm.page.handlers import Handlers, Shown, Visit
from spatial_llm.page.placing import KEMAR, LEAST_M, MOST_M, OWN_SOUND, ROOMS
from spatial_llm.scenes.events import EVENT_CLASSES

TITLE = "spatial-llm"
START = {"sound": "alarm", "room": "living", "head": KEMAR, "azimuth_deg": 45, "elevation_deg": 0, "distance_m": 1.5}
MODEL = "model"  # the queue of what uses the model, one at a time
RECORDED_S = 30
VISIT_S, MOST_VISITS = 3600.0, 64  # how long a visit is remembered after the page was left, and how many are
SWAP, SWAP_BACK = "Swap the ears", "Put the ears back"
PROGRESS = gr.Progress()
EMPTY_VIEW = '<p class="sl-note">Place a sound or give a recording: here stands what the encoder hears of it.</p>'


def browser_file(name: str) -> str:
    """Returns the text of a file of `browser/`."""
    return (resources.files("spatial_llm.page") / "browser" / name).read_text(encoding="utf-8")


def _sentences(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Shows what cannot be done as a sentence on the page; a bug too, whose traceback is in the log."""

    @functools.wraps(handler)
    def handled(*given: Any, **more: Any) -> Any:
        try:
            return handler(*given, **more)
        except SpatialLLMError as error:
            said = str(error)
        except Exception:
            traceback.print_exc(file=sys.stderr)
            said = "this did not work because of a bug; the log of the page has the details."
        # As text: names in it are those of files, which may look like HTML.
        sentence = html.escape(f"{said[:1].upper()}{said[1:]}")
        raise gr.Error(sentence, duration=30, print_exception=False)

    return handled


def make_page(handlers: Handlers, arguments: AppArguments, name: str, licence: str | None) -> gr.Blocks:
    """Returns the page.

    Args:
        handlers: what it does.
        arguments: its limits.
        name, licence: of the model; None where its folder states no licence.
    """
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(60, 600), fill_width=True) as page:
        visit = gr.State(None, time_to_live=VISIT_S)
        _html(header_html(name, licence, handlers.ears.seconds, arguments.conversation))
        with gr.Row(equal_height=False, elem_classes="sl-columns"):
            with gr.Column(scale=5, min_width=360):
                place, recording, player, swap, notes = _sounds(handlers, arguments)
            with gr.Column(scale=7, min_width=420):
                question, ask, answers, view = _questions(handlers)
        shown = [visit, player, view, answers, notes, swap]
        how: dict[str, Any] = {"concurrency_id": MODEL, "concurrency_limit": 1, "api_visibility": "private"}
        does = Clicks(handlers)
        # Whoever goes on dragging wants the last place.
        latest = {"trigger_mode": "always_last", "show_progress_on": [player]}
        place.place(does.place, [visit, place], shown, **latest, **how)
        recording.given(does.given, [visit, recording], shown, show_progress_on=[player], **how)
        for event in (ask.click, question.submit):
            event(does.ask, [visit, question], [visit, answers, question], show_progress_on=[answers], **how)
        swap.click(does.swap, [visit], shown, show_progress_on=[player], **how)
    page.state_session_capacity = MOST_VISITS
    page.queue(max_size=arguments.queue, api_open=False)
    _refuse_files(page)
    return page


class Clicks:
    """What gradio calls: the values of its parts in, those of others out. Whatever cannot be done is a `gr.Error`."""

    def __init__(self, handlers: Handlers) -> None:
        self.handlers = handlers

    @_sentences
    def place(self, visit: Visit | None, value: Any, progress: Any = PROGRESS) -> tuple[Any, ...]:
        """Places a sound: visit, player, view, answers, notes and what the button to swap says."""
        visit = visit or Visit()
        return _shown(visit, self.handlers.place(visit, value, lambda done, doing: progress(done, desc=doing)))

    @_sentences
    def given(self, visit: Visit | None, value: Any, progress: Any = PROGRESS) -> tuple[Any, ...]:
        """Hears a recording; see `place`."""
        visit = visit or Visit()
        return _shown(visit, self.handlers.given(visit, value, lambda done, doing: progress(done, desc=doing)))

    @_sentences
    def ask(self, visit: Visit | None, question: str) -> tuple[Any, ...]:
        """Answers: visit, answers, and an empty field for the next question."""
        visit = visit or Visit()
        return visit, self.handlers.ask(visit, question), ""

    @_sentences
    def swap(self, visit: Visit | None) -> tuple[Any, ...]:
        """Exchanges left and right; see `place`."""
        visit = visit or Visit()
        return _shown(visit, self.handlers.swap(visit))


def _shown(visit: Visit, what: Shown) -> tuple[Any, ...]:
    swap = SWAP_BACK if visit.hearing.swapped else SWAP
    return visit, what.player, what.encoder, what.answers, what.notes, swap


def _sounds(handlers: Handlers, arguments: AppArguments) -> tuple[gr.HTML, gr.HTML, gr.HTML, gr.Button, gr.HTML]:
    _heading("1. A sound")
    with gr.Tabs():
        with gr.Tab("Place a sound"):
            place = _place(handlers, arguments)
        with gr.Tab("Your recording"):
            recording = _recording(handlers, arguments)
    _heading("2. Listen")
    player = _browser("player", None)
    swap = gr.Button(SWAP, size="sm", elem_id="swap")
    return place, recording, player, swap, _html("", elem_id="notes")


def _questions(handlers: Handlers) -> tuple[gr.Textbox, gr.Button, gr.HTML, gr.HTML]:
    _heading("3. Ask")
    with gr.Row(equal_height=True):
        question = gr.Textbox(
            placeholder="Where is the sound coming from?", show_label=False, container=False, scale=5, max_lines=3,
            elem_id="question", label="Question",
        )  # fmt: skip
        ask = gr.Button("Ask", variant="primary", scale=1, min_width=90, elem_id="ask")
    gr.Examples([[each] for each in handlers.ears.examples()], [question], label="Questions to begin with")
    answers = _html(answers_html(None), elem_id="answers")
    _heading("What its encoder hears")
    return question, ask, answers, _html(EMPTY_VIEW, elem_id="view")


def _browser(name: str, value: Any, **props: Any) -> gr.HTML:
    """Returns a part that runs in the browser: NAME.html and NAME.js of `browser/`, which `props` reach."""
    files = {"html_template": browser_file(f"{name}.html"), "js_on_load": browser_file(f"{name}.js")}
    return _html(value, elem_id=name, **files, **props)


def _html(value: str | None, **how: Any) -> gr.HTML:
    return gr.HTML(value, apply_default_css=False, **how)


def _heading(text: str) -> gr.HTML:
    return _html(f'<h3 class="sl-heading">{text}</h3>')


def _place(handlers: Handlers, arguments: AppArguments) -> gr.HTML:
    sounds = [[name, name] for name in EVENT_CLASSES] + [[OWN_SOUND, "a sound of yours ..."]]
    rooms = {name: {"title": room.title, "edges_m": room.edges_m()} for name, room in ROOMS.items()}
    return _browser(
        "place", None, start=START, sounds=sounds, rooms=rooms, heads=list(handlers.heads), own_sound=OWN_SOUND,
        least_m=LEAST_M, most_m=MOST_M, most_bytes=arguments.max_upload_bytes,
    )  # fmt: skip


def _recording(handlers: Handlers, arguments: AppArguments) -> gr.HTML:
    given = handlers.ears.given
    expects = (
        f"WAV or FLAC, {given.name}, {given.channels} channels: {', '.join(given.channel_names)}. Of more than "
        f"{handlers.ears.seconds:g} s the loudest part is heard. The file is removed once it is read."
    )
    most = {"most_bytes": arguments.max_upload_bytes, "most_seconds": RECORDED_S}
    return _browser("recording", None, expects=expects, records=given.channels == 2, **most)


def _refuse_files(page: gr.Blocks) -> None:
    """gradio moves every file that a client names in the input of a part to its cache, and fetches it where it is an
    address. Here files come by uploads alone, so that nothing is to be moved or fetched."""

    async def refuse(path: Any) -> None:
        raise gr.Error("Files are taken by upload alone.", print_exception=False)

    for block in page.blocks.values():
        block.async_move_resource_to_block_cache = refuse
