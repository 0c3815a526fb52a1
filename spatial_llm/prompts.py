"""The text around a question: the placeholder of an audio token, and the prompt formats by name. Text only, no model."""

AUDIO_TOKEN = "<|audio|>"

PROMPT_FORMATS: dict[str, str] = {
    "bat": "Based on the audio you've heard, refer to the instruction and provide a response.\n\n"
    "### Instruction:\n{question}\n\n### Response:",
}
