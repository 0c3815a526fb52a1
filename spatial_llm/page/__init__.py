"""A page in the browser to try a model: place a sound or give a recording, hear it, ask, see what the encoder hears.

What happens goes one way: `uploads` reads a file that was uploaded, in the guarded processes of `serving`, or `placing`
makes a scene of a place in the picture; `hearing` encodes and answers; `sound_html`, `answer_html` and `encoder_html` write
what is shown. `handlers` joins these, `layout` makes them a page of gradio, and `server` serves it. The files in `browser/`
run in the browser. gradio, of the extra `app`, is imported by `layout` and `server` alone.
"""
