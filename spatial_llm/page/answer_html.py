"""Questions and answers as HTML, the mirrored answer beside; every text is escaped."""

import html

from spatial_llm.page.hearing import Hearing


def answers_html(hearing: Hearing | None) -> str:
    """Returns the questions of a visitor with their answers, the last one first."""
    if hearing is None or not hearing.turns:
        return '<p class="sl-note">No question yet.</p>'
    both = any(turn.mirrored is not None for turn in hearing.turns)
    head = "<tr><th>question</th><th>answer</th>" + ("<th>ears swapped</th>" if both else "") + "</tr>"
    rows = []
    for turn in reversed(hearing.turns):
        mirrored = "" if turn.mirrored is None else html.escape(turn.mirrored)
        notes = "".join(f'<div class="sl-note">{html.escape(note)}</div>' for note in turn.notes)
        beside = f'<td class="sl-answer">{mirrored}</td>' if both else ""
        answer = f'<td class="sl-answer">{html.escape(turn.answer)}</td>'
        rows.append(f"<tr><td>{html.escape(turn.question)}{notes}</td>{answer}{beside}</tr>")
    return f'<table class="sl-answers">{head}{"".join(rows)}</table>'


def notes_html(hearing: Hearing) -> str:
    """Returns what is to be said about a recording."""
    return "".join(f'<p class="sl-note">{html.escape(note[:1].upper() + note[1:])}</p>' for note in hearing.notes)


def header_html(name: str, licence: str | None, seconds: float, conversation: bool) -> str:
    """Returns the head of the page: which model, which licence, how it listens, and that headphones are needed."""
    terms = f"licence {html.escape(licence)}" if licence else "its folder states no licence"
    turns = (
        "A follow-up is asked in one conversation, with the questions and answers before it."
        if conversation
        else "Each question is asked on its own about the same recording: follow-ups do not know the answers before."
    )
    return (
        '<div class="sl-header"><h1>Where is the sound?</h1>'
        f"<p>Model <b>{html.escape(name)}</b>, {terms}. It hears {seconds:g} s. {turns}</p>"
        "<p><b>Put on headphones</b>, left on left: directions cannot be heard through loudspeakers.</p></div>"
    )
