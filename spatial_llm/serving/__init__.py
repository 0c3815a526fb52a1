"""A server that speaks OpenAI's chat completions, with the channels of recordings kept.

A request goes one way: `app` takes its bytes within limits, `chat_request` reads them, `recordings` decodes its recordings
in processes that can be ended, `batcher` gathers questions, `answering` answers them, and `completions` writes the response.
The web libraries of the extra `serve` are imported by `app` and `server` alone.
"""
