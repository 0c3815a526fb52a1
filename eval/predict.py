"""A trained model answers every question of a manifest, or of the released SpatialSoundQA.

    python eval/predict.py --model runs/demo/bat/model --data runs/demo/data/eval.jsonl --out runs/demo/scores

Writes predictions.jsonl (one line a question, with the raw answer) and run.json (model, questions and decoding) into
the folder --out, anew in each call; only --resume continues an interrupted run. `--data` is a manifest (.jsonl), the
SpatialSoundQA folder with closed-end/, AudioSet/ and mp3d_reverb/, a stage of it, or one of its question files.
Time: about a minute for 1,000 questions with the tiny model on 2 cores. Then score with eval/score.py.
"""

import sys
from dataclasses import dataclass

from spatial_llm.errors import SpatialLLMError
from spatial_llm.evaluation.items import read_evaluation_set
from spatial_llm.evaluation.predict import Decoding, predict
from spatial_llm.training.arguments import parse_arguments


@dataclass
class PredictArguments:
    """What to answer, and how.

    Attributes:
        model: folder of a saved SpatialLLM.
        data: manifest, or SpatialSoundQA folder or file.
        out: folder for predictions.jsonl and run.json.
        resume: continue an interrupted run of the same model, questions and settings.
        batch_size: recordings encoded and questions answered at a time; answers do not depend on it.
        num_beams: 1 is greedy; BAT's own scores are with 4.
        max_new_tokens: longest answer.
        device: as torch names it; default a GPU if there is one.
        audio_root: SpatialSoundQA, or a manifest of it: folder of the dry sounds; default AudioSet in its folder.
        reverb_root: SpatialSoundQA, or a manifest of it: folder with binaural/; default mp3d_reverb in its folder.
    """

    model: str
    data: str
    out: str
    resume: bool = False
    batch_size: int = 16
    num_beams: int = 1
    max_new_tokens: int = 200
    device: str | None = None
    audio_root: str | None = None
    reverb_root: str | None = None


def main(arguments: PredictArguments) -> None:
    evaluation_set = read_evaluation_set(arguments.data, arguments.audio_root, arguments.reverb_root)
    evaluation_set.check_files()
    path = predict(
        arguments.model,
        evaluation_set,
        arguments.out,
        Decoding(num_beams=arguments.num_beams, max_new_tokens=arguments.max_new_tokens),
        batch_size=arguments.batch_size,
        resume=arguments.resume,
        device=arguments.device,
    )
    print(f"{len(evaluation_set.items)} answers in {path}")


if __name__ == "__main__":
    # --resume is a switch on the command line; in YAML it is `resume: true`
    argv = ["--resume=true" if argument == "--resume" else argument for argument in sys.argv[1:]]
    try:
        main(parse_arguments(PredictArguments, argv, description=__doc__))
    except SpatialLLMError as error:
        sys.exit(f"error: {error}")
