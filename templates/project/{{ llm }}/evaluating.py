"""What a language model can do: how well it predicts held-out text, and whether its answers are right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .chat_template import THOUGHT_END, Tool, without_thoughts
from .config import ChatDataConfig, SamplingConfig
from .console import say
from .conversations import Conversation, Message
from .data_files import file_names
from .errors import UserError
from .examples import Example, encode_conversation, ending_of, evaluation_windows
from .learned_text import Ending
from .metrics import Metrics, exact_match, text_metrics
from .text_model import TextModel
from .tool_calls import called, comparable, find_calls

MANY_CUT = 0.05  # share of the answers: more that are cut make the exact match too low


@dataclass(frozen=True)
class Answer:
    """What a model answered to the last question of a conversation."""

    prompt: str
    expected: str
    answer: str
    cut: bool = False
    """Whether it ends where no more was allowed, rather than where the model ended it."""


def measure_text(model: TextModel, texts: Sequence[str], *, context: int, batch_size: int = 16) -> Metrics:
    """How well `model` predicts `texts`: loss in nats per token, perplexity, bits per byte.

    A text longer than `context` is read in windows that overlap by half, so that all but its beginning is
    predicted from at least half a context. Each token counts once.
    """
    context = min(context, model.context)
    windows: list[Example] = []
    start = model.start or [model.end]
    for tokens in model.encode_many(texts):
        windows += evaluation_windows([*start, *tokens], context, max(context // 2, 1))
    losses = np.concatenate(model.token_losses(windows, batch_size))
    return text_metrics(
        float(losses.sum(dtype=np.float64)), len(losses), sum(len(text.encode()) for text in texts)
    )


def encode_all(
    conversations: Sequence[Conversation], model: TextModel, config: ChatDataConfig
) -> list[Example]:
    """The conversations as tokens, of which those of the assistant's turns are to be learned.

    Says how many are left out, which are too long or in which nobody answers. Raises UserError when all are.
    """
    length = min(config.max_length, model.context)
    limit = "chats.max_length" if config.max_length <= model.context else "the model's context"
    ending = answer_ending(model)
    encoded = [
        encode_conversation(
            conversation.messages,
            conversation.rendered_by(model.render),
            model.encode,
            ending=ending,
            max_length=length,
            too_long=config.too_long,
        )
        for conversation in conversations
    ]
    examples = [example for found in encoded for example in found]
    if not examples:
        raise UserError(
            f"None of the {len(conversations):,} conversations of {file_names(config.file)} can be learned "
            f"from: all are longer than {length} tokens ({limit}), or no assistant answers. "
            "Try --check_data true."
        )
    if left_out := sum(not found for found in encoded):
        say(
            f"{left_out:,} of {len(conversations):,} conversations are left out: "
            f"longer than {length:,} tokens ({limit}), or no assistant answers."
        )
    return examples


def answer_ending(model: TextModel) -> Ending:
    """What ends an answer of the model."""
    return ending_of(model.encode, model.stops, model.decode([model.end]))


def measure_chats(
    model: TextModel,
    conversations: Sequence[Conversation],
    examples: Sequence[Example],
    *,
    answers: int,
    answer_tokens: int,
    batch_size: int = 16,
) -> tuple[Metrics, list[Answer]]:
    """Loss on the assistant's turns, and of `answers` conversations how often the last turn is exact.

    Thoughts before an answer (`<think>`) need not be the same, nor the order of the arguments of a call. An
    answer that is cut is as it is: mostly wrong; `answers_cut` counts them.

    Args:
        model: What is measured.
        conversations: Those that are answered.
        examples: The same as tokens, without those left out (`encode_all`): figures by byte are of their
            text, too.
        answers: How many are answered at most.
        answer_tokens: Most tokens of an answer.
        batch_size: Conversations read at once for the loss.
    """
    losses = np.concatenate(model.token_losses(examples, batch_size))
    spoken = sum(len(model.text(example.tokens[example.targets].tolist()).encode()) for example in examples)
    figures = text_metrics(float(losses.sum(dtype=np.float64)), len(losses), spoken)
    chosen = some_of(conversations, answers)
    given = answer_all(model, chosen, answer_tokens)
    if given:
        exact = exact_match(
            [without_thoughts(one.answer) for one in given], [without_thoughts(one.expected) for one in given]
        )
        figures = {"exact_match": exact, "answers_cut": sum(one.cut for one in given), **figures}
    return figures, given


def some_of(conversations: Sequence[Conversation], count: int) -> list[Conversation]:
    """Up to `count` of the conversations that end with an answer, spread evenly over all."""
    answered = [one for one in conversations if one.messages[-1]["role"] == "assistant"]
    if len(answered) <= count:
        return answered
    return [answered[index * len(answered) // count] for index in range(count)]


def greedy(longest: int) -> SamplingConfig:
    """Always the likeliest token, at most `longest` of them: the same answer each time."""
    return SamplingConfig(temperature=0.0, max_new_tokens=longest)


def answer_all(model: TextModel, conversations: Sequence[Conversation], longest: int) -> list[Answer]:
    """Let the model give the last answer of each conversation anew, always the likeliest token."""
    prompts = [one.rendered_by(model.render)(list(one.messages[:-1]), True) for one in conversations]
    fitting = [
        index for index, prompt in enumerate(prompts) if len(model.encode(prompt).tokens) < model.context
    ]
    written = model.write([prompts[index] for index in fitting], greedy(longest))
    return [
        Answer(
            last_question(conversations[index].messages[:-1]),
            expected_of(conversations[index]),
            given_to(conversations[index], one.text),
            one.cut,
        )
        for index, one in zip(fitting, written, strict=True)
    ]


def expected_of(conversation: Conversation) -> str:
    """The last answer, with its calls of tools as they are compared."""
    message = conversation.messages[-1]
    return comparable(message["content"], message.get("tool_calls", []))


def given_to(conversation: Conversation, text: str) -> str:
    """What a model has answered to a conversation, with its calls of tools as they are compared."""
    known = [*conversation.tools, *called(conversation.messages)]  # also calls of what is not declared
    if not known:
        return text.strip()
    thought, end, said = text.rpartition(THOUGHT_END)
    return thought + end + comparable(*find_calls(said, known))


def say_cut(answers: Sequence[Answer], longest: int) -> None:
    """Say how many answers were cut, where it is more than a few."""
    cut = sum(one.cut for one in answers)
    if cut > MANY_CUT * len(answers):
        say(
            f"{cut:,} of {len(answers):,} answers were cut at {longest:,} tokens, and count as wrong: raise "
            "answer_tokens, so that they can end."
        )


def last_question(messages: Sequence[Message]) -> str:
    return messages[-1]["content"] if messages else ""


def answer_prompts(
    model: TextModel,
    prompts: Sequence[str],
    *,
    system: str = "",
    longest: int = 64,
    tools: Mapping[str, Sequence[Tool]] | None = None,
) -> list[str]:
    """What the model says to each prompt, as the assistant in a new conversation, with the tools for it."""
    before: list[Message] = [{"role": "system", "content": system}] if system else []
    chats = [
        Conversation((*before, {"role": "user", "content": prompt}), 0, tuple((tools or {}).get(prompt, ())))
        for prompt in prompts
    ]
    rendered = [one.rendered_by(model.render)(list(one.messages), True) for one in chats]
    return [text.strip() for text in model.generate(rendered, greedy(longest))] if prompts else []


def continue_texts(model: TextModel, beginnings: Sequence[str], longest: int = 64) -> list[str]:
    """How the model continues each beginning, as plain text."""
    opening = model.decode(model.start)
    return model.generate([opening + one for one in beginnings], greedy(longest)) if beginnings else []
