"""Pre-trains the tiny language model on questions about scenes as text; needs no audio and no download.

    accelerate launch recipes/pretrain_text.py [--config recipes/configs/demo_train/text.yaml] [--key value ...]

Makes a byte-level BPE tokenizer and a Llama, trains it on the text corpus of spatial_llm.questions and prints how many
answers about held-out scenes are exactly right. Cost: see the head of the YAML.
"""

from pathlib import Path

from spatial_llm.door import door
from spatial_llm.settings import parse_arguments
from spatial_llm.training.tiny.arguments import TextArguments
from spatial_llm.training.tiny.pretrain_language_model import pretrain_text

DEFAULT_CONFIG = Path(__file__).parent / "configs" / "demo_train" / "text.yaml"

if __name__ == "__main__":
    with door():
        pretrain_text(parse_arguments(TextArguments, default_config=DEFAULT_CONFIG, description=__doc__))
