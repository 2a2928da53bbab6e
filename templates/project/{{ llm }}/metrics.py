"""How well a language model predicts text and answers questions, in figures that can be compared.

Loss and perplexity per token depend on the tokenizer: compare them only between models that share it. Bits
per byte and perplexity per byte do not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Metrics = dict[str, float]

HIGHER_IS_BETTER: dict[str, bool] = {
    "exact_match": True,
    "loss": False,
    "perplexity": False,
    "bits_per_byte": False,
    "perplexity_per_byte": False,
}


def text_metrics(nats: float, tokens: int, text_bytes: int) -> Metrics:
    """All figures of a predicted text.

    Args:
        nats: Sum of -ln p over its tokens.
        tokens: How many were predicted.
        text_bytes: How many bytes of UTF-8 they stand for.
    """
    return {
        "loss": loss(nats, tokens),
        "perplexity": perplexity(nats, tokens),
        "bits_per_byte": bits_per_byte(nats, text_bytes),
        "perplexity_per_byte": perplexity(nats, text_bytes),
    }


def loss(nats: float, tokens: int) -> float:
    """Mean cross-entropy of a token in nats, -Σ ln p / N; nan without tokens."""
    return nats / tokens if tokens else math.nan


def perplexity(nats: float, units: int) -> float:
    """exp of the mean of -ln p over `units` (tokens or bytes): as unsure as between so many equal ones.

    Source: F. Jelinek et al., Perplexity - a measure of the difficulty of speech recognition tasks, 1977.
    1 is perfect; inf where it is too large for a float; nan without units.
    """
    try:
        return math.exp(loss(nats, units))
    except OverflowError:
        return math.inf


def bits_per_byte(nats: float, text_bytes: int) -> float:
    """-Σ log2 p / bytes: to what size the model could compress the text (8: not at all); nan without bytes.

    Source: C. E. Shannon, Prediction and entropy of printed English, 1951; by byte, as The Pile (Gao et al.,
    2020, section 3.1) proposes, so that models with different tokenizers can be compared.
    """
    return nats / math.log(2) / text_bytes if text_bytes else math.nan


def exact_match(answers: Sequence[str], expected: Sequence[str]) -> float:
    """Share of answers that are just what is expected but for white space around them; nan without any.

    Source: P. Rajpurkar et al., SQuAD, 2016, section 6.1; nothing else is normalised here.

    Raises:
        ValueError: if there is not one expected answer for each answer.
    """
    if len(answers) != len(expected):
        raise ValueError(f"{len(answers)} answers, but {len(expected)} expected ones")
    same = sum(answer.strip() == right.strip() for answer, right in zip(answers, expected, strict=True))
    return same / len(answers) if answers else math.nan
