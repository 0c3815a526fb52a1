"""Teaching the tiny language model on words alone: a scene told in words stands where audio tokens will stand, then BAT's
prompt with a question, then the answer. Afterwards it knows the questions and needs only ears.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch.utils.data import Dataset
from tqdm import tqdm

from spatial_llm.data.dataset import distinct_recordings
from spatial_llm.data.records import read_manifest
from spatial_llm.data.targets import targets_of
from spatial_llm.model.processing_spatial_llm import IGNORED, PROMPT_FORMATS, pad_rows
from spatial_llm.questions.phrasings import CONVENTIONS
from spatial_llm.questions.text_corpus import text_examples
from spatial_llm.training.arguments import TextArguments
from spatial_llm.training.run_folder import RunFolder
from spatial_llm.training.text_model import build_language_model, build_tokenizer
from spatial_llm.training.trainable import format_what_trains, what_trains
from spatial_llm.training.trainer import train
from spatial_llm.training.trainer_arguments import prepare

PROMPT = PROMPT_FORMATS["bat"]


class TextDataset(Dataset):
    """Token ids `prompt` (scene words, BOS, prompt) and `answer` (answer, EOS), not padded.

    Args:
        examples: of `spatial_llm.questions.text_corpus.text_examples`.
        tokenizer: that puts BOS before a text.
    """

    def __init__(self, examples: Sequence[dict[str, str]], tokenizer: Any) -> None:
        scenes = tokenizer([e["scene"] for e in examples], add_special_tokens=False)["input_ids"]
        prompts = tokenizer([PROMPT.format(question=e["question"]) for e in examples])["input_ids"]
        answers = tokenizer([e["answer"] for e in examples], add_special_tokens=False)["input_ids"]
        self.prompts = [scene + prompt for scene, prompt in zip(scenes, prompts, strict=True)]
        self.answers = [[*answer, tokenizer.eos_token_id] for answer in answers]

    def __len__(self) -> int:
        return len(self.prompts)

    def __getitem__(self, index: int) -> tuple[list[int], list[int]]:
        return self.prompts[index], self.answers[index]


def text_collator(
    pad_token_id: int, learn: Literal["answers", "everything"] = "answers"
) -> Callable[[list[tuple[list[int], list[int]]]], dict[str, torch.Tensor]]:
    """Collator to `input_ids`, `attention_mask`, `labels` (B, length), padded as the processor pads: prompts on the left,
    answers on the right; loss on answer and EOS only, or on every token ("everything")."""

    def collate(samples: list[tuple[list[int], list[int]]]) -> dict[str, torch.Tensor]:
        rows = pad_rows(samples, pad_token_id, with_labels=True)
        batch = {name: torch.tensor(values) for name, values in rows.items()}
        if learn == "everything":
            batch["labels"] = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, IGNORED)
        return batch

    return collate


@torch.no_grad()
def exact_answers(model: Any, tokenizer: Any, dataset: TextDataset, batch_size: int = 64) -> list[bool]:
    """For each example, whether the greedy answer equals the true one, token for token up to EOS."""
    model.eval()
    right: list[bool] = []
    for start in tqdm(range(0, len(dataset), batch_size), desc="held-out answers", unit="batch"):
        prompts = dataset.prompts[start : start + batch_size]
        answers = dataset.answers[start : start + batch_size]
        padded = tokenizer.pad({"input_ids": prompts}, padding_side="left", return_tensors="pt").to(model.device)
        generated = model.generate(
            **padded, max_new_tokens=max(map(len, answers)), do_sample=False, pad_token_id=tokenizer.pad_token_id
        )[:, padded["input_ids"].shape[1] :]
        right += [row[: len(answer)].tolist() == answer for row, answer in zip(generated, answers, strict=True)]
    return right


def pretrain_text(arguments: TextArguments) -> dict[str, float]:
    """Makes, trains and saves tokenizer and language model; returns exact-match shares on held-out scenes by type."""
    prepare(arguments.seed, arguments.cpu_threads)
    recordings = distinct_recordings(read_manifest(arguments.manifest))
    labels = {label for record in recordings for source in targets_of(record) for label in source.labels}
    # Seeds of training and held-out text: scenes are drawn from continuous ranges, so no scene comes twice.
    asked = {"config": arguments.questions, "most_sources": arguments.most_sources}
    examples = text_examples(labels, arguments.examples, seed=2 * arguments.seed, **asked)
    held_out = text_examples(labels, arguments.eval_examples, seed=2 * arguments.seed + 1, **asked)
    tokenizer = build_tokenizer(
        (text for e in examples for text in (e["scene"], e["question"], e["answer"])),
        arguments.vocab_size,
        phrases=[*PROMPT.split("{question}"), *CONVENTIONS],
    )
    model = build_language_model(arguments, tokenizer)
    run = RunFolder(arguments, arguments.manifest)
    print(f"{len(examples)} questions about scenes in words, {len(labels)} classes; {len(tokenizer)} tokens")
    print(format_what_trains(what_trains(model)))
    train(
        model,
        TextDataset(examples, tokenizer),
        text_collator(tokenizer.pad_token_id, arguments.learn),
        arguments.schedule,
        run,
        arguments.seed,
    )
    right = exact_answers(model, tokenizer, TextDataset(held_out, tokenizer))
    scores = {"exact": sum(right) / len(right)}
    for kind in sorted({example["question_type"] for example in held_out}):
        chosen = [ok for ok, example in zip(right, held_out, strict=True) if example["question_type"] == kind]
        scores[kind] = sum(chosen) / len(chosen)
    run.log({"eval": scores})
    print("answers exactly right on held-out scenes: " + "  ".join(f"{k} {v:.3f}" for k, v in scores.items()))
    run.save(model.save_pretrained, tokenizer.save_pretrained)
    return scores
