"""The commands of `spatial-llm`: one table, and one module of this package for each.

Every module has `main(argv, script)`. `argv` is the command line after the command's name; None takes `sys.argv`, for the
scripts in recipes/, data/ and eval/, which call the same `main` with their own docstring as `script`. Nothing is imported
before a command is chosen, so that `spatial-llm --help` is quick.
"""

import importlib
import keyword
from types import ModuleType

COMMANDS = {
    "ask": "ask a model about recordings",
    "timeline": "list what is heard in a long recording, window by window",
    "serve": "answer programs, by the chat completions of OpenAI",
    "app": "a page in the browser to try a model: place a sound, listen, ask",
    "import": "own recordings with own questions, a CSV, to manifests",
    "import-dcase": "recordings with frame labels (STARSS, DCASE, TAU-NIGENS) to manifests",
    "import-table": "a CSV of which sound is where and when, in a declared convention, to manifests",
    "import-openaqa": "questions about sounds in the layout of LTU's OpenAQA to a manifest",
    "simulate": "simulate rooms, sounds and scenes with their truth",
    "questions": "write questions and answers about simulated scenes: manifests",
    "pairs": "write pairs of a preferred and a rejected answer about a manifest",
    "check": "check manifests and scene files, and that train and eval share nothing",
    "train-encoder": "train a spatial audio encoder",
    "finetune": "train projector and LoRA between an encoder and a language model",
    "train-preference": "train by pairs of answers (DPO) or by rewards (GRPO)",
    "predict": "a model answers the questions of a task and of its controls",
    "score": "score predictions",
    "report": "one HTML page about scores",
    "compare": "compare two runs on the same questions",
    "encode-ambisonics": "a recording of an array to ambisonics, with the bands in which it holds",
    "convert": "released encoder weights (.pth) to a folder of ours (safetensors)",
    "export": "a saved model in the official layout, the reverse of convert; or for other engines",
    "plan": "GPU memory that a fine-tuning run will take, in each of its modes",
    "parts": "encoder and language model of a saved model, as folders to train with",
    "join-encoders": "several encoders that hear side by side, as one folder to train with",
    "seal": "accept a wanted change to the files of a saved model, if it loads",
    "yaml": "where a YAML file that comes with the package lies",
    "env": "versions and devices, for a bug report",
}


def load(name: str) -> ModuleType:
    """Imports and returns the module of a command, see `module_name`."""
    return importlib.import_module(f"{__name__}.{module_name(name)}")


def module_name(command: str) -> str:
    """Returns the name of a command's module: "-" is "_", and a word of Python's own has "_" at its end."""
    name = command.replace("-", "_")
    return f"{name}_" if keyword.iskeyword(name) else name
