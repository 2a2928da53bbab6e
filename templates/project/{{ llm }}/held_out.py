"""What a model is measured on: what its run held out of its data, or a file that is named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .bases import lineage
from .commands import settings
from .config import ChatDataConfig, CorpusConfig, EvalChatsConfig, EvalConfig, FinetuneConfig, TrainConfig
from .console import say
from .conversations import (
    Conversation,
    Preference,
    Splits,
    chat_files,
    first_question,
    read_conversations,
    read_preferences,
    split_conversations,
)
from .corpus import TextSplits, corpus_files, read_corpus, split_corpus
from .data_files import file_names
from .decoder_presets import sized
from .errors import UserError
from .evaluating import Answer, encode_all, measure_chats, measure_text, say_cut
from .fingerprints import fingerprint
from .metrics import Metrics
from .pairs import as_asked, fitting, kind_of, measure_preferences, split_pairs
from .runs import Run
from .stage_configs import STAGES
from .text_model import TextModel

WINDOW = 1024  # tokens of plain text read at a time, where no run of train.py says how many


@dataclass(frozen=True)
class Measured:
    """The figures of a model: of which kind (text, chat or pairs), what they are of, and its answers."""

    kind: str
    what: str
    figures: Metrics
    answers: Sequence[Answer] = ()


def measure(model: TextModel, folder: str, config: EvalConfig) -> list[Measured]:
    """Measure a model on the file that is named, else on what its run held out.

    Args:
        model: What is measured.
        folder: Where it lies, or its name on a hub.
        config: With the file, or the part.

    Raises:
        UserError: a file cannot be read, or nothing in it can be used.
    """
    runs = [run for run, _ in lineage(folder) if run.stage != "export"]
    if config.corpus.files:
        return [measure_corpus(model, named_text(config), runs, config)]
    if config.chats.file:
        tuning = tuning_of(runs)
        chats = named(config.chats, tuning.chats)
        conversations = read_conversations(chats)
        say_known(file_names(chats.file), map(first_question, conversations), runs)
        return [measure_conversations(model, conversations, chats, tuning, config)]
    if config.pairs.file:
        pairs = named(config.pairs, pair_settings(runs[0]) if aligned(runs) else tuning_of(runs).chats)
        preferences = read_preferences(pairs)
        say_known(file_names(pairs.file), map(question_of, preferences), runs)
        return [measure_pairs_of(model, preferences, pairs)]
    return measure_held_out(model, runs, config)


def measure_held_out(model: TextModel, runs: Sequence[Run], config: EvalConfig) -> list[Measured]:
    """Measure a model on a part of what its run has learned from.

    What was aligned is measured on its pairs, and on the conversations that it was fine-tuned on before. A
    model of others has held out nothing: it is measured on the conversations of configs/finetune.yaml.
    """
    if runs and runs[0].stage == "train":
        texts: Sequence[str] = getattr(read_texts(runs[0].read_config(TrainConfig)), config.part)
        say_changed(runs[0])
        return [measure_corpus(model, texts, runs, config)]
    found = []
    if aligned(runs):
        pairs = pair_settings(runs[0])
        found.append(measure_pairs_of(model, read_preferences(pairs), pairs, config.part))
    if not runs:
        say(f"{model.name} is no run: it is measured on the conversations of configs/finetune.yaml.")
    tuned = [run for run in runs if run.stage == "finetune"]
    if tuned or not runs:
        tuning = tuning_of(runs)
        conversations = getattr(read_chats(tuning.chats), config.part)
        found.append(measure_conversations(model, conversations, tuning.chats, tuning, config))
    for run in [*(runs[:1] if aligned(runs) else ()), *tuned[:1]]:
        say_changed(run)
    return found


def say_changed(run: Run) -> None:
    """Say where the data of a run are others than it divided, since the parts are then others, too."""
    config: Any = run.read_config(STAGES[run.stage])
    if run.stage == "train":
        files = corpus_files(config.corpus)
    else:
        files = chat_files(config.chats if run.stage == "finetune" else config.pairs)
    data = fingerprint(files)
    if run.environment().get("data", data) != data:
        say(
            f"The data of {run.folder.as_posix()} have changed since: what it learned from may now stand in "
            "another part, and the figures of that be better than on new data."
        )


def aligned(runs: Sequence[Run]) -> bool:
    """Whether a model that went through `runs` comes from align.py."""
    return bool(runs) and runs[0].stage == "align"


def tuning_of(runs: Sequence[Run]) -> FinetuneConfig:
    """The settings of the newest fine-tuning among the runs, else those of configs/finetune.yaml."""
    for run in runs:
        if run.stage == "finetune":
            return run.read_config(FinetuneConfig)
    return settings(FinetuneConfig, "finetune", [])


def pair_settings(run: Run) -> ChatDataConfig:
    """The pairs that a run of align.py learned from."""
    pairs: ChatDataConfig = run.read_config(STAGES["align"]).pairs
    return pairs


def named(config: EvalChatsConfig, usual: ChatDataConfig) -> ChatDataConfig:
    """How the file that is named is read: as `usual`, but for what is set beside it."""
    return replace(
        usual,
        file=config.file,
        test_file="",
        format=config.format,
        system=config.system or usual.system,
        max_length=config.max_length or usual.max_length,
    )


def measure_corpus(
    model: TextModel, texts: Sequence[str], runs: Sequence[Run], config: EvalConfig
) -> Measured:
    """How well the model predicts plain text, read as in its pretraining."""
    pretrained = runs[0].read_config(TrainConfig) if runs and runs[0].stage == "train" else None
    context = sized(pretrained.model).context if pretrained else WINDOW
    figures = measure_text(model, texts, context=context, batch_size=config.batch_size)
    return Measured("text", f"{sum(map(len, texts)):,} characters", figures)


def measure_conversations(
    model: TextModel,
    conversations: Sequence[Conversation],
    chats: ChatDataConfig,
    tuning: FinetuneConfig,
    config: EvalConfig,
) -> Measured:
    """Loss and exact answers, which may be as long as in `tuning` where `config` does not say."""
    longest = config.answer_tokens or tuning.answer_tokens
    figures, answers = measure_chats(
        model,
        conversations,
        encode_all(conversations, model, chats),
        answers=config.answers,
        answer_tokens=longest,
        batch_size=config.batch_size,
    )
    say_cut(answers, longest)
    return Measured("chat", f"{len(conversations):,} conversations", figures, answers)


def measure_pairs_of(
    model: TextModel, pairs: Sequence[Preference], config: ChatDataConfig, part: str = ""
) -> Measured:
    """How well the model tells better answers from worse ones, in a part as align.py divides them, or in all.

    Raises UserError where all are too long, or labelled answers are all of one kind.
    """
    longest = min(config.max_length, model.context)
    kind = kind_of(pairs)
    usable = fitting([as_asked(pair, model.render) for pair in pairs], model, longest)
    if left_out := len(pairs) - len(usable):
        say(f"{left_out:,} of {len(pairs):,} {kind} are left out: over {longest:,} tokens.")
    kinds = {good for pair in usable for _, good in pair.answers}
    if len(kinds) < 2:
        raise UserError(
            f"{file_names(config.file)} has no {'bad' if True in kinds else 'good'} answers of up to "
            f"{longest:,} tokens (max_length): good and bad ones are needed, to compare them."
        )
    chosen: Sequence[Preference] = getattr(split_pairs(usable, config), part) if part else usable
    return Measured("pairs", f"{len(chosen):,} {kind}", measure_preferences(model, chosen, longest))


def named_text(config: EvalConfig) -> list[str]:
    """The documents of the text that is named."""
    corpus = config.corpus
    return read_corpus(
        CorpusConfig(files=corpus.files, text_field=corpus.text_field, separator=corpus.separator)
    )


def read_texts(config: TrainConfig) -> TextSplits:
    """Read the corpus and divide it, before anything is learned from it."""
    texts = split_corpus(read_corpus(config.corpus), config.corpus)
    sizes = ", ".join(
        f"{sum(map(len, part)):,} {name}"
        for name, part in (("train", texts.train), ("validation", texts.validation), ("test", texts.test))
    )
    say(f"Characters of text: {sizes}.")
    return texts


def read_chats(config: ChatDataConfig) -> Splits:
    """Read the conversations and divide them."""
    chats = split_conversations(read_conversations(config), config)
    say("Conversations: " + ", ".join(f"{number:,} {part}" for part, number in count(chats).items()) + ".")
    return chats


def count(chats: Splits) -> dict[str, int]:
    """Conversations of each part."""
    return {"train": len(chats.train), "validation": len(chats.validation), "test": len(chats.test)}


def say_known(file: str, questions: Iterable[bytes], runs: Sequence[Run]) -> None:
    """Say how many questions of a file the model has learned with their answers, if any."""
    asked = list(questions)
    for run in runs:
        try:
            learned = set(learned_questions(run))
        except UserError as error:
            say(f"Whether {run.folder.as_posix()} has learned questions of {file} is not known: {error}")
            continue
        if known := sum(question in learned for question in asked):
            say(
                f"{known:,} of {len(asked):,} questions of {file} are among those that "
                f"{run.folder.as_posix()} learned from: the figures are better than on new ones."
            )


def learned_questions(run: Run) -> Iterator[bytes]:
    """What stands for the questions that a run has learned from, or chosen its best epoch by."""
    if run.stage == "finetune":
        chats = run.read_config(FinetuneConfig).chats
        splits = split_conversations(read_conversations(chats), chats)
        yield from map(first_question, [*splits.train, *splits.validation])
    elif run.stage == "align":
        config = pair_settings(run)
        pairs = split_pairs(read_preferences(config), config)
        yield from map(question_of, [*pairs.train, *pairs.validation])


def question_of(pair: Preference) -> bytes:
    """What stands for the first question of a pair."""
    return first_question(Conversation(pair.prompt, pair.line))
