"""The stages, each a command: train, evaluate, fine-tune, and all of them in a row.

read text → split → tokenizer → train → evaluate → fine-tune on chats → evaluate → report
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import NamedTuple

from .baseline import KneserNey
from .bases import base_of, resolve_model, short_name
from .chat_template import is_learned
from .commands import AFTER, BEFORE, command, settings
from .config import ChatDataConfig, EvalConfig, FinetuneConfig, PredictConfig, TrainConfig
from .console import print_table, say
from .conversations import Conversation, Splits, chat_files
from .corpus import TextSplits, corpus_files
from .data_check import check_conversations
from .data_files import file_names
from .decoder_presets import sized
from .device import prepare as prepare_device
from .device import seed_everything
from .evaluating import (
    Answer,
    answer_prompts,
    continue_texts,
    encode_all,
    measure_chats,
    measure_text,
    say_cut,
    some_of,
)
from .examples import Example, hold_thoughts, text_blocks
from .fingerprints import start_with
from .held_out import count, measure, read_chats, read_texts
from .method_config import MethodConfig
from .metrics import HIGHER_IS_BETTER, Metrics
from .pages import evaluation_page, finetuning_page, training_page
from .predicting import predict
from .run_selection import MODEL
from .runs import Run, new_run
from .text_model import TextModel, open_text_model
from .text_pieces import EMPTY
from .tokenizer import train_tokenizer
from .trainee import Trainee, new_trainee, open_trainee

NETWORK, NGRAMS = "this model", "5-gram (Kneser-Ney)"
FULL = "all weights, to compare"
MOST_COUNTED = 20_000_000  # bytes of text that n-grams are counted in: more takes minutes and gigabytes
SHOWN = 8  # prompts answered before and after where configs/finetune.yaml names none


def train(config: TrainConfig) -> Run:
    """Pretrain on plain text, from nothing or from a base, and compare with counting five bytes."""
    texts = read_texts(config)
    prepare_device(config.training)
    config = replace(config, base=base_of("train", config, "train", "finetune"))
    opened = open_base(config) if config.base else None  # before there is a run: the base may be refused
    this_run = start_with(corpus_files(config.corpus), "train", config, config.training.resume)
    trainee = opened or make_model(config, texts, this_run)
    model = trainee.text_model()
    context = min(sized(config.model).context, model.context)
    say(f"{trainee.parameters:,} weights, {trainee.trainable:,} of them learn; {context} tokens at a time.")
    train_blocks, validation_blocks = (
        text_blocks(model.encode_many(part), context, model.end, model.start)
        for part in (texts.train, texts.validation)
    )
    ngrams, held_out = count_ngrams(texts), texts.test
    del texts  # perhaps gigabytes, which are not needed while the model learns
    trainee.fit(train_blocks, validation_blocks, config.training, this_run)
    trainee.save(this_run.path(MODEL))

    model = trainee.text_model()
    figures = {NETWORK: measure_text(model, held_out, context=context), **ngrams}
    continued = dict(zip(config.prompts, continue_texts(model, config.prompts), strict=True))
    this_run.save_metrics(
        {
            "stage": "train",
            "kind": "text",
            "parameters": trainee.parameters,
            "test": figures[NETWORK],
            "baseline": figures.get(NGRAMS),
            "continued": continued,
        }
    )
    print_figures(f"{sum(map(len, held_out)):,} characters of held-out text", figures)
    say(f"Report: {training_page(this_run, figures, continued)}")
    return this_run


def make_model(config: TrainConfig, texts: TextSplits, run: Run) -> Trainee:
    """A tokenizer trained on the training text, and a new model for it."""
    tokenizer = run.path("tokenizer")
    if not (tokenizer / "tokenizer.json").exists():  # a resumed run has it
        train_tokenizer(texts.train, sized(config.model).vocabulary, tokenizer)
    seed_everything(config.training.seed)
    return new_trainee(config.model, tokenizer, config.training.seed, config.method)


def open_base(config: TrainConfig) -> Trainee:
    """The model to go on with, and the weights that `config.method` lets learn."""
    say(f"Going on with {short_name(config.base)}, {config.method.name}.")
    return open_trainee(config.base, config.method, config.training, hub=config.hub)


def count_ngrams(texts: TextSplits) -> dict[str, Metrics]:
    """What counting five bytes makes of the same text; nothing where there is too much of it to count."""
    if sum(map(len, chain(texts.train, texts.validation))) > MOST_COUNTED:  # before it is all copied
        return {}
    read = "\n\n".join([*texts.train, *texts.validation]).encode()
    if len(read) > MOST_COUNTED:
        return {}
    bits = KneserNey.fit(read).bits_per_byte("\n\n".join(texts.test).encode())
    return {NGRAMS: {"bits_per_byte": bits}}


def finetune(config: FinetuneConfig) -> Run:
    """Learn from conversations, and answer the same questions before and after."""
    if config.check_data:
        return check_conversations(config.chats, base=config.base)
    chats = read_chats(config.chats)
    prepare_device(config.training)
    config = replace(config, base=base_of("finetune", config, "train"))
    trainee = open_for_finetuning(config, config.method, chats)  # before a run: the base may be refused
    this_run = start_with(chat_files(config.chats), "finetune", config, config.training.resume)
    model = trainee.text_model()
    say(
        f"{short_name(config.base)}, {config.method.name}: "
        f"{trainee.trainable:,} of {trainee.parameters:,} weights learn."
    )
    encoded = encode_splits(chats, model, config.chats)
    prompts = list(config.prompts) or shown_prompts(chats.test)
    before, said_before, _ = measure_and_ask(model, chats.test, encoded.test, prompts, config)
    capacity = min(config.chats.max_length, model.context)
    trainee.fit(encoded.train, encoded.validation, config.training, this_run, capacity=capacity)
    trainee.save(this_run.path(MODEL))

    model = trainee.text_model()
    after, said_after, answers = measure_and_ask(model, chats.test, encoded.test, prompts, config)
    say_cut(answers, config.answer_tokens)
    figures = {BEFORE: before, AFTER: after}
    sides = [
        {"prompt": prompt, BEFORE: old, AFTER: new}
        for prompt, old, new in zip(prompts, said_before, said_after, strict=True)
    ]
    main = "exact_match" if "exact_match" in after else "loss"
    metrics = {
        "stage": "finetune",
        "kind": "chat",
        "base": config.base,
        "method": config.method.name,
        "conversations": count(chats),
        "parameters": trainee.parameters,
        "trainable": trainee.trainable,
        "before": before,
        "after": after,
        "all_weights": None,
        "answers": sides,
        "better": {"metric": main, "higher_is_better": HIGHER_IS_BETTER[main]},
    }
    this_run.save_metrics(metrics)  # already now: the comparison takes more memory
    if config.compare_full:
        del trainee, model  # there may not be room for two
        figures[FULL] = train_all_weights(config, chats, encoded, this_run)
        this_run.save_metrics({**metrics, "all_weights": figures[FULL]})
    print_figures(f"{len(chats.test):,} test conversations", figures)
    shown = [{name: text if text.strip() else EMPTY for name, text in row.items()} for row in sides]
    print_table("The same questions before and after", shown)
    say(f"Report: {finetuning_page(this_run, figures, sides, answers)}")
    say("Talk to it: python chat.py  (in the browser: python serve.py)")
    return this_run


class EncodedSplits(NamedTuple):
    """The parts of the conversations as tokens, each encoded once."""

    train: list[Example]
    validation: list[Example]
    test: list[Example]


def encode_splits(chats: Splits, model: TextModel, config: ChatDataConfig) -> EncodedSplits:
    """All parts as tokens; says what is left out."""
    parts = (chats.train, chats.validation, chats.test)
    return EncodedSplits(*(encode_all(part, model, config) for part in parts))


def train_all_weights(config: FinetuneConfig, chats: Splits, encoded: EncodedSplits, run: Run) -> Metrics:
    """Full fine-tuning of the same base on the same conversations."""
    say("The same with all weights, to compare:")
    trainee = open_for_finetuning(config, replace(config.method, name="full"), chats)
    where = Run(run.folder / "all_weights", run.stage)
    where.folder.mkdir(exist_ok=True)
    training = replace(
        config.training,
        epochs=config.compare_epochs or config.training.epochs,
        learning_rate=config.compare_learning_rate,
    )
    capacity = min(config.chats.max_length, trainee.context)
    trainee.fit(encoded.train, encoded.validation, training, where, capacity=capacity)
    figures, _, _ = measure_and_ask(trainee.text_model(), chats.test, encoded.test, (), config)
    return figures


def measure_and_ask(
    model: TextModel,
    conversations: Sequence[Conversation],
    examples: Sequence[Example],
    prompts: Sequence[str],
    config: FinetuneConfig,
) -> tuple[Metrics, list[str], list[Answer]]:
    """The figures on test conversations, what the model says to `prompts`, and its answers in the former."""
    longest = config.answer_tokens
    figures, answers = measure_chats(
        model, conversations, examples, answers=config.answers, answer_tokens=longest
    )
    tools = {asked_first(one): one.tools for one in conversations}
    said = answer_prompts(model, prompts, system=config.chats.system, longest=longest, tools=tools)
    return figures, said, answers


def open_for_finetuning(config: FinetuneConfig, method: MethodConfig, chats: Splits) -> Trainee:
    """The base with the weights that `method` lets learn, and a chat template for what `chats` teach."""
    seed_everything(config.training.seed)
    answers = (turn["content"] for chat in chats.train for turn in chat.messages if is_learned(turn))
    return open_trainee(
        config.base,
        method,
        config.training,
        hub=config.hub,
        chat_template=config.chats.chat_template,
        thoughts=hold_thoughts(answers),
    )


def evaluate(config: EvalConfig) -> Run:
    """Measure a model on text, conversations or pairs that it has not learned from."""
    folder = resolve_model(config.run, "train", "finetune", "align")
    model = open_text_model(folder, hub=config.hub)
    measured = measure(model, folder, config)
    this_run = new_run("evaluate", replace(config, run=short_name(folder)))
    figures: dict[str, float] = {}
    for one in measured:  # of pairs and conversations no figures have the same name
        figures |= one.figures
    answers = [answer for one in measured for answer in one.answers]
    harness = run_harness(model, config) if config.harness else {}
    file = file_names(config.chats.file or config.pairs.file or config.corpus.files)
    part = "test" if file else config.part
    this_run.save_metrics(
        {
            "stage": "evaluate",
            "run": short_name(folder),
            "kind": " and ".join(one.kind for one in measured),
            "file": file or None,
            part: figures,
            "harness": harness,
        }
    )
    for one in measured:
        print_figures(f"{one.what}, {file or f'{part} part'}, {short_name(folder)}", {NETWORK: one.figures})
    if harness:
        print_figures("lm-evaluation-harness", harness)
    say(f"Report: {evaluation_page(this_run, figures, answers, harness)}")
    return this_run


def run_harness(model: TextModel, config: EvalConfig) -> Mapping[str, Metrics]:
    """Figures of lm-evaluation-harness, by task."""
    from .harness import evaluate_with_harness  # an optional package

    return evaluate_with_harness(model, config.harness, include=config.harness_include)


def shown_prompts(conversations: Sequence[Conversation]) -> list[str]:
    """The first questions of a few test conversations."""
    return [asked_first(one) for one in some_of(conversations, SHOWN)]


def asked_first(conversation: Conversation) -> str:
    """The first question."""
    return next(message["content"] for message in conversation.messages if message["role"] == "user")


def print_figures(title: str, figures: Mapping[str, Mapping[str, object]]) -> None:
    """One row per model."""
    print_table(title, [{"model": model, **one} for model, one in figures.items()])


def flow(config: TrainConfig) -> None:
    """Train → evaluate → fine-tune → evaluate; only the last two where fine-tuning has a base of others."""
    tuning = settings(FinetuneConfig, "finetune", [])
    if tuning.base == "latest":
        say("\n1 of 4: train")
        trained = train(config)
        say("\n2 of 4: evaluate")
        evaluate(settings(EvalConfig, "eval", ["--run", str(trained.folder)]))
        tuning = replace(tuning, base=str(trained.folder))
    say("\n3 of 4: fine-tune")
    finetuned = finetune(tuning)
    say("\n4 of 4: evaluate")
    evaluate(settings(EvalConfig, "eval", ["--run", str(finetuned.folder)]))
    metrics = finetuned.metrics()
    print_figures("Before and after fine-tuning", {BEFORE: metrics["before"], AFTER: metrics["after"]})
    say(f"Report: {finetuned.path('report.html')}")


train_command = command(train, TrainConfig, "train")
finetune_command = command(finetune, FinetuneConfig, "finetune")
evaluate_command = command(evaluate, EvalConfig, "eval")
predict_command = command(predict, PredictConfig, "predict")
flow_command = command(flow, TrainConfig, "train")
