"""Pairs of a better and a worse answer: divided, as tokens, and how well a model tells one from the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from .chat_template import Message, answer, thought_of
from .config import ChatDataConfig
from .conversations import Preference
from .data_files import file_names
from .errors import UserError
from .evaluating import answer_ending
from .examples import Example, encode_conversation
from .learned_text import Render, render_whole, system_kept
from .metrics import Metrics

if TYPE_CHECKING:
    from .text_model import TextModel

FEWEST = 4  # pairs: two to learn from, one to validate, one to test


@dataclass(frozen=True)
class PairSplits:
    """Pairs to learn from, to choose the best epoch by, and for the final figures."""

    train: list[Preference]
    validation: list[Preference]
    test: list[Preference]


def split_pairs(pairs: Sequence[Preference], config: ChatDataConfig) -> PairSplits:
    """Divide pairs at random, those with the same prompt together; each part gets good and bad answers.

    Raises UserError for too few.
    """
    prompts = {prompt_key(pair) for pair in pairs}
    if len(prompts) < FEWEST:
        raise UserError(
            f"{file_names(config.file)} has {len(prompts)} prompts that can be used: {FEWEST} or more are "
            "needed to learn, validate and test."
        )
    with_bad = {prompt_key(pair) for pair in pairs if pair.rejected}
    parts: list[set[str]] = [set(), set(), set()]
    for names in (sorted(with_bad), sorted(prompts - with_bad)):
        order = np.random.default_rng(config.seed).permutation(len(names))
        shares = (config.validation, config.test)
        validation, test = (max(round(len(names) * share), 1) for share in shares)
        begins = np.split(order, [validation, validation + test])
        for part, places in zip(parts, (begins[2], begins[0], begins[1]), strict=True):
            part.update(names[place] for place in places)
    splits = PairSplits(*([pair for pair in pairs if prompt_key(pair) in part] for part in parts))
    for name in ("train", "validation", "test"):
        kinds = {good for pair in getattr(splits, name) for _, good in pair.answers}
        if len(kinds) < 2:
            raise UserError(
                f"{file_names(config.file)} cannot be divided: {'bad' if True in kinds else 'good'} answers "
                f"are missing in the {name} part; more prompts with them are needed, 3 or more."
            )
    return splits


def prompt_key(pair: Preference) -> str:
    return repr([(message["role"], message["content"].strip()) for message in pair.prompt])


def encode_answers(pair: Preference, model: TextModel, longest: int) -> list[Example]:
    """The answers as tokens, the better first; none where one of them is longer than `longest` tokens.

    Earlier answers of the chat are read only, as the prompts of other answers have others.
    """
    ending = answer_ending(model)
    encoded = [
        encode_conversation(
            [*read_only(pair.prompt), answer(text)],
            model.render,
            model.encode,
            ending=ending,
            max_length=longest,
            too_long="drop",
        )
        for text, _ in pair.answers
    ]
    return [example for (example,) in encoded] if all(encoded) else []


def read_only(prompt: Sequence[Message]) -> list[Message]:
    """A prompt whose turns of the assistant are not learned."""
    return [{**turn, "weight": 0} if turn["role"] == "assistant" else turn for turn in prompt]


def as_asked(pair: Preference, render: Render) -> Preference:
    """The pair with the prompt as the model is given it, also where the template loses its system message.

    Raises UserError where the template loses the thoughts of answers: trl renders them by itself.
    """
    for text, _ in pair.answers:
        chat = system_kept([*pair.prompt, answer(text)], render)
        if thought_of(text) and render_whole(chat, render, render(chat[:-1], True)) != render(chat, False):
            raise UserError(
                "The chat template leaves out the thoughts (<think>) of answers: name one that keeps them "
                "in pairs.chat_template."
            )
    return replace(pair, prompt=tuple(chat[:-1]))


def fitting(pairs: Sequence[Preference], model: TextModel, longest: int) -> list[Preference]:
    """The pairs whose answers are short enough, with what is before them."""
    texts = (model.render([*pair.prompt, answer(text)], False) for pair in pairs for text, _ in pair.answers)
    lengths = iter([len(tokens) for tokens in model.encode_many(texts)])
    return [pair for pair in pairs if max([next(lengths) for _ in pair.answers]) <= longest]


def measure_preferences(model: TextModel, pairs: Sequence[Preference], longest: int) -> Metrics:
    """The figures of pairs, or of answers that are labelled."""
    measure = measure_pairs if all_paired(pairs) else measure_answers
    return measure(model, pairs, longest)


def measure_pairs(model: TextModel, pairs: Sequence[Preference], longest: int) -> Metrics:
    """How well `model` tells the better answers from the worse ones.

    `reward_accuracy` is the share of pairs whose better answer is likelier; `margin` the mean of
    log p(better) - log p(worse), in nats; `chosen_loss` the mean loss of the better answers' tokens, in nats:
    it rises when the model forgets how to speak.
    """
    encoded = [one for pair in pairs if (one := encode_answers(pair, model, longest))]
    losses = model.token_losses([example for pair in encoded for example in pair])
    chosen, rejected = (np.array([part.sum() for part in losses[first::2]]) for first in (0, 1))
    tokens = sum(len(part) for part in losses[::2])
    return {
        "reward_accuracy": float((chosen < rejected).mean()),
        "margin": float((rejected - chosen).mean()),
        "chosen_loss": float(chosen.sum() / tokens),
    }


def measure_answers(model: TextModel, answers: Sequence[Preference], longest: int) -> Metrics:
    """How likely good and bad answers are to `model`.

    `good_loss` and `bad_loss` are the mean losses of their tokens, in nats; `margin_per_token` is how much
    higher that of the bad ones is. Prompts differ, so that one figure tells little: before and after do.
    """
    losses: dict[bool, list[np.ndarray]] = {True: [], False: []}
    encoded = [
        (good, example)
        for one in answers
        for (_, good), example in zip(one.answers, encode_answers(one, model, longest), strict=False)
    ]
    of_tokens = model.token_losses([example for _, example in encoded])
    for (good, _), loss in zip(encoded, of_tokens, strict=True):
        losses[good].append(loss)
    good_loss, bad_loss = (float(np.concatenate(losses[good]).mean()) for good in (True, False))
    return {"margin_per_token": bad_loss - good_loss, "good_loss": good_loss, "bad_loss": bad_loss}


def all_paired(pairs: Sequence[Preference]) -> bool:
    """Whether each has both answers; several files may hold pairs and labelled answers."""
    return all(pair.paired for pair in pairs)


def kind_of(pairs: Sequence[Preference]) -> str:
    """What to call them: pairs, or answers that are labelled."""
    return "pairs" if all_paired(pairs) else "answers"
