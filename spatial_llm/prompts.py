"""The text around a question: the placeholder of a recording, the prompt formats, BAT's as chat template; no model."""

AUDIO_TOKEN = "<|audio|>"  # in text it stands for one recording, in ids for one of its audio tokens

PROMPT_FORMATS: dict[str, str] = {
    "bat": "Based on the audio you've heard, refer to the instruction and provide a response.\n\n"
    "### Instruction:\n{question}\n\n### Response:",
}
CHAT = "chat"  # the prompt format of a chat model: its tokenizer's own chat template

# One turn after another, each in the form of the first; an answer ends with EOS. Recordings that a message begins with stand
# before the prompt, as in BAT; others stand where the message has them. Contents are texts, or lists of parts.
BAT_CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{%- set content -%}{%- if message.content is string -%}{{- message.content -}}{%- else -%}"
    "{%- for part in message.content -%}"
    "{{- '" + AUDIO_TOKEN + "' if part.type == 'audio' else part.text -}}"
    "{%- endfor -%}{%- endif -%}{%- endset -%}"
    "{%- if message.role == 'assistant' -%}"
    "{%- generation -%}{{- content -}}{{- eos_token -}}{%- endgeneration -%}"
    "{%- elif message.role == 'user' -%}"
    "{%- set found = namespace(question=none) -%}"
    "{%- for piece in content.split('" + AUDIO_TOKEN + "') -%}"
    "{%- if found.question is not none -%}{%- set found.question = found.question + '" + AUDIO_TOKEN + "' + piece -%}"
    "{%- elif piece or loop.last -%}{%- set found.question = piece -%}"
    "{%- else -%}{{- '" + AUDIO_TOKEN + "' -}}{%- endif -%}"
    "{%- endfor -%}"
    "{{- '"
    + PROMPT_FORMATS["bat"].replace("'", "\\'").replace("\n", "\\n").replace("{question}", "' + found.question + '")
    + "' -}}"
    "{%- else -%}"
    "{{- raise_exception('the format of BAT has messages of user and assistant only') -}}"
    "{%- endif -%}"
    "{%- endfor -%}"
)
