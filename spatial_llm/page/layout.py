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
from spatial_llm.page.handlers import Handlers, Visit
from spatial_llm.page.placing import KEMAR, LEAST_M, MOST_M, OWN_SOUND, ROOMS
from spatial_llm.scenes.events import EVENT_CLASSES

TITLE = "spatial-llm"
START = {"sound": "alarm", "room": "living", "head": KEMAR, "azimuth_deg": 45, "elevation_deg": 0, "distance_m": 1.5}
MODEL = "model"  # the queue of what uses the model, one at a time
RECORDED_S = 30
VISIT_S, MOST_VISITS = 3600.0, 64  # how long a visit is remembered after the page was left, and how many are
SWAP, SWAP_BACK = "Swap the ears", "Put the ears back"
EMPTY_VIEW = '<p class="sl-note">Place a sound or give a recording: here stands what the encoder hears of it.</p>'


def browser_file(name: str) -> str:
    """Returns the text of a file of `browser/`."""
    return (resources.files("spatial_llm.page") / "browser" / name).read_text(encoding="utf-8")


def make_page(handlers: Handlers, arguments: AppArguments, name: str, licence: str | None) -> gr.Blocks:
    """Returns the page.

    Args:
        handlers: what it does.
        arguments: its limits.
        name, licence: of the model; None where its folder states no licence.
    """
    ears = handlers.ears
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(60, 600)) as page:
        visit = gr.State(None, time_to_live=VISIT_S)
        _html(header_html(name, licence, ears.seconds, arguments.conversation))
        with gr.Row(equal_height=False):
            with gr.Column(scale=5, min_width=360):
                _heading("1. A sound")
                with gr.Tabs():
                    with gr.Tab("Place a sound"):
                        place = _place(handlers, arguments)
                    with gr.Tab("Your recording"):
                        recording = _recording(handlers, arguments)
                _heading("2. Listen")
                player = _html(
                    None, html_template=browser_file("player.html"), js_on_load=browser_file("player.js"), elem_id="player"
                )
                swap = gr.Button(SWAP, size="sm", elem_id="swap")
                notes = _html("", elem_id="notes")
            with gr.Column(scale=7, min_width=420):
                _heading("3. Ask")
                with gr.Row(equal_height=True):
                    question = gr.Textbox(
                        placeholder="Where is the sound coming from?", show_label=False, container=False, scale=5,
                        max_lines=3, elem_id="question", max_length=8000,
                    )  # fmt: skip
                    ask = gr.Button("Ask", variant="primary", scale=1, min_width=90, elem_id="ask")
                gr.Examples([[each] for each in ears.examples()], [question], label="Questions that it was taught")
                answers = _html(answers_html(None), elem_id="answers")
                _heading("What its encoder hears")
                view = _html(EMPTY_VIEW, elem_id="view")
        shown = [visit, player, view, answers, notes, swap]

        def show(visit: Visit, what: Any) -> tuple[Any, ...]:
            swapped = SWAP_BACK if visit.hearing.swapped else SWAP
            return visit, what.player, what.encoder, what.answers, what.notes, swapped

        @_sentences
        def on_place(visit: Visit | None, value: Any, progress: Any = gr.Progress()) -> tuple[Any, ...]:  # noqa: B008
            visit = visit or Visit()
            return show(visit, handlers.place(visit, value, lambda done, doing: progress(done, desc=doing)))

        @_sentences
        def on_given(visit: Visit | None, value: Any, progress: Any = gr.Progress()) -> tuple[Any, ...]:  # noqa: B008
            visit = visit or Visit()
            return show(visit, handlers.given(visit, value, lambda done, doing: progress(done, desc=doing)))

        @_sentences
        def on_ask(visit: Visit | None, asked: str) -> tuple[Any, ...]:
            visit = visit or Visit()
            return visit, handlers.ask(visit, asked), ""

        @_sentences
        def on_swap(visit: Visit | None) -> tuple[Any, ...]:
            visit = visit or Visit()
            return show(visit, handlers.swap(visit))

        how = {"concurrency_id": MODEL, "concurrency_limit": 1, "api_visibility": "private"}
        # Whoever goes on dragging wants the last place.
        place.place(on_place, [visit, place], shown, show_progress_on=[player], trigger_mode="always_last", **how)
        recording.given(on_given, [visit, recording], shown, show_progress_on=[player], **how)
        for event in (ask.click, question.submit):
            event(on_ask, [visit, question], [visit, answers, question], show_progress_on=[answers], **how)
        swap.click(on_swap, [visit], shown, show_progress_on=[player], **how)
    page.state_session_capacity = MOST_VISITS
    page.queue(max_size=arguments.queue, api_open=False)
    _refuse_files(page)
    return page


def _html(value: str | None, **how: Any) -> gr.HTML:
    return gr.HTML(value, apply_default_css=False, **how)


def _heading(text: str) -> gr.HTML:
    return _html(f'<h3 class="sl-heading">{text}</h3>')


def _place(handlers: Handlers, arguments: AppArguments) -> gr.HTML:
    sounds = [[name, name] for name in EVENT_CLASSES] + [[OWN_SOUND, "a sound of yours ..."]]
    rooms = {name: {"title": room.title, "edges_m": room.edges_m()} for name, room in ROOMS.items()}
    return _html(
        None, html_template=browser_file("place.html"), js_on_load=browser_file("place.js"), elem_id="place", start=START,
        sounds=sounds, rooms=rooms, heads=list(handlers.heads), own_sound=OWN_SOUND, least_m=LEAST_M, most_m=MOST_M,
        most_bytes=arguments.max_upload_bytes,
    )  # fmt: skip


def _recording(handlers: Handlers, arguments: AppArguments) -> gr.HTML:
    given = handlers.ears.given
    expects = (
        f"WAV or FLAC in {given.name}, {given.channels} channels: {', '.join(given.channel_names)}. Of a recording longer than "
        f"{handlers.ears.seconds:g} s the loudest part is heard. The file stays on this machine and is removed once it is read."
    )
    return _html(
        None, html_template=browser_file("recording.html"), js_on_load=browser_file("recording.js"), elem_id="recording",
        expects=expects, most_bytes=arguments.max_upload_bytes, most_seconds=RECORDED_S,
    )  # fmt: skip


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
        raise gr.Error(sentence, duration=30, title="This cannot be done", print_exception=False)

    return handled


def _refuse_files(page: gr.Blocks) -> None:
    """gradio moves every file that a client names in the input of a part to its cache, and fetches it where it is an address.
    Here files come by uploads alone, so that nothing is to be moved or fetched."""

    async def refuse(path: Any) -> None:
        raise gr.Error("Files are taken by upload alone.", print_exception=False)

    for block in page.blocks.values():
        block.async_move_resource_to_block_cache = refuse
