"""The next token, again and again: prompts side by side, the keys and values of earlier tokens kept."""

from __future__ import annotations

import inspect
from collections.abc import Generator, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from .config import SamplingConfig


def new_tokens(
    model: nn.Module,
    prompts: Sequence[Sequence[int]],
    sampling: SamplingConfig,
    *,
    stops: AbstractSet[int],
    context: int,
    numbers: Sequence[int],
    use_cache: bool = True,
) -> Generator[list[tuple[int, int]], None, None]:
    """Yield at each step the pairs (number of the prompt, its next token) of those that have not ended.

    A prompt ends at a token of `stops` (not yielded), after `sampling.max_new_tokens`, or when it fills
    `context`; then it leaves the batch. Prompts are padded on the left, so that all of them end where the new
    tokens begin. Each prompt has random numbers of its own: its text does not depend on its neighbours.

    Args:
        model: A causal language model of transformers, or one wrapped by peft.
        prompts: Tokens of each prompt, at least one each, fewer than `context`.
        numbers: Of the prompts: their random numbers come from the seed and these.
        use_cache: Whether to keep keys and values; without it each step reads everything again.
    """
    device = next(model.parameters()).device
    accepted = accepted_arguments(model)
    rows, length = list(range(len(prompts))), max(map(len, prompts))
    ids = torch.zeros(len(rows), length, dtype=torch.long)  # (B, T); any token will do for padding
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, length - len(prompt) :] = torch.tensor(prompt)
        mask[row, length - len(prompt) :] = 1
    ids, mask = ids.to(device), mask.to(device)
    dice = [sampling.dice(number) for number in numbers]
    written: list[list[int]] = [[] for _ in prompts]
    longest = [sampling.longest(context - len(prompt)) for prompt in prompts]
    unread, cache = ids, None  # the tokens that the model has not read yet
    with evaluating(model):
        for step in range(max(longest)):
            positions = (mask.cumsum(1) - 1).clamp(min=0)[:, -unread.shape[1] :]
            inputs = {
                "attention_mask": mask,
                "position_ids": positions,
                "past_key_values": cache,
                "use_cache": use_cache,
                "logits_to_keep": 1,
            }
            draws = [dice[row].random() for row in rows]
            with torch.no_grad():
                output = model(input_ids=unread, **{name: inputs[name] for name in accepted & inputs.keys()})
                logits = penalize(output.logits[:, -1].float(), sampling, [written[row] for row in rows])
                chosen = choose(logits, sampling, draws)
            pairs = list(zip(rows, chosen.tolist(), strict=True))
            for row, token in pairs:
                written[row].append(token)
            yield [(row, token) for row, token in pairs if token not in stops]

            ended = [token in stops or step + 1 >= longest[row] for row, token in pairs]
            if all(ended):
                return
            cache = getattr(output, "past_key_values", None) if use_cache else None
            if any(ended):
                kept = torch.tensor([index for index, end in enumerate(ended) if not end], device=device)
                rows = [row for row, end in zip(rows, ended, strict=True) if not end]
                ids, mask, chosen = ids[kept], mask[kept], chosen[kept]
                if cache is not None:
                    cache.reorder_cache(kept)  # which linear attention has, too
            mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
            if cache is None:
                ids = torch.cat([ids, chosen[:, None]], dim=1)
            unread = ids if cache is None else chosen[:, None]


def penalize(logits: Tensor, sampling: SamplingConfig, written: Sequence[Sequence[int]]) -> Tensor:
    """Logits (B, V) less the penalties for tokens that each answer has already, as OpenAI defines them."""
    if sampling.presence_penalty or sampling.frequency_penalty:
        logits = logits.clone()
        for row, answer in zip(logits, written, strict=True):
            said = torch.tensor(answer, dtype=torch.long, device=row.device)
            tokens, counts = said.unique(return_counts=True)
            row[tokens] -= sampling.presence_penalty + sampling.frequency_penalty * counts
    return logits


def choose(logits: Tensor, sampling: SamplingConfig, draws: Sequence[float]) -> Tensor:
    """The next token of each row.

    Args:
        logits: (B, V), float32.
        draws: One number of [0, 1) per row: where in the distribution to look.

    Returns:
        (B,) tokens: the likeliest at temperature 0, otherwise one of the likeliest: at most `top_k`, no less
        likely than `min_p` times the likeliest, and those that together have the probability `top_p` (nucleus
        sampling, Holtzman et al. 2020), the token that crosses it included.
    """
    if sampling.temperature == 0:
        return logits.argmax(dim=-1)
    probabilities, tokens = (logits / sampling.temperature).softmax(dim=-1).sort(dim=-1, descending=True)
    if sampling.top_k:
        probabilities = probabilities[:, : sampling.top_k] / probabilities[:, : sampling.top_k].sum(-1, True)
    before = probabilities.cumsum(dim=-1) - probabilities  # (B, V); the likeliest token is always kept
    kept = (before < sampling.top_p) & (probabilities >= sampling.min_p * probabilities[:, :1])
    nucleus = probabilities.where(kept, 0).cumsum(dim=-1)
    where = torch.tensor(draws, device=logits.device)[:, None] * nucleus[:, -1:]
    place = torch.searchsorted(nucleus, where, right=True)  # (B, 1)
    place = place.minimum(kept.sum(dim=-1, keepdim=True) - 1)  # rounded, a draw can be 1
    return tokens.gather(1, place).squeeze(1)


def accepted_arguments(model: nn.Module) -> set[str]:
    """Names of the arguments that the model's forward takes, below a wrapper of peft."""
    unwrap: Any = getattr(model, "get_base_model", lambda: model)
    return set(inspect.signature(unwrap().forward).parameters)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Within this block nothing is dropped out; afterwards the model is as it was."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
