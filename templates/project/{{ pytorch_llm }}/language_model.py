"""A decoder, ours or one of transformers, with the loss of predicting the next token.

The logits of all tokens, which elsewhere take the most memory in training, are never there: hidden states are
taken at the places that predict something (in chats, the assistant's turns), and their losses are computed
some at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from .chunked_loss import TOKENS_AT_ONCE, TOKENS_AT_ONCE_ON_GPU, chunked_cross_entropy
from .decoder import Decoder
from .packed_attention import rotates_alike_up_to, use_packed_attention
from .packing import alike

Inputs = Mapping[str, Any]
"""A batch of `PackedData`: input_ids and targets; where needed position_ids, cu_seq_lens, longest and
target_positions, too."""


class LanguageModel(nn.Module):
    """From a batch to the loss of each target token.

    Args:
        model: Our `Decoder`, or a causal model of transformers, also one with adapters of peft.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.softcap: float | None = None
        self.scale = 1.0
        self.takes_packs = True
        self.alike_up_to: int | None = None
        if not isinstance(model, Decoder):
            settings = self._base().config.get_text_config()
            self.softcap = getattr(settings, "final_logit_softcapping", None)
            self.scale = logit_scale(settings)
            self.takes_packs = use_packed_attention(self._base())
            self.alike_up_to = rotates_alike_up_to(settings)

    def forward(self, inputs: Inputs) -> Tensor:
        """The loss in nats of each target, (N,), float32 or more exact."""
        hidden = self.hidden_states(inputs).flatten(0, 1)  # (B · T, C)
        places = inputs.get("target_positions")
        if places is not None:
            hidden = hidden[places]  # (N, C)
        if self.scale != 1.0:
            hidden = hidden * self.scale
        return self.losses(hidden, inputs["targets"])

    @property
    def output_layer(self) -> nn.Module | None:
        """What makes logits of hidden states; None where that is our decoder's embedding."""
        if isinstance(self.model, Decoder):
            return getattr(self.model, "lm_head", None)
        layer: nn.Module = self._base().get_output_embeddings()
        return layer

    def hidden_states(self, inputs: Inputs) -> Tensor:
        """The last hidden states, (B, T, C)."""
        tokens = inputs["input_ids"]
        position_ids, cu_seq_lens, longest = map(inputs.get, ("position_ids", "cu_seq_lens", "longest"))
        if isinstance(self.model, Decoder):
            return self.model.model(tokens, position_ids, cu_seq_lens, longest)
        trunk = self._base().get_decoder()
        if cu_seq_lens is None:
            return trunk(input_ids=tokens, use_cache=False).last_hidden_state
        if not self.takes_packs or self._rotate_apart(cu_seq_lens, longest):
            return self._read_apart(trunk, tokens, cu_seq_lens)
        return trunk(
            input_ids=tokens,
            position_ids=position_ids,
            cu_seq_lens=cu_seq_lens,
            longest=longest,
            use_cache=False,
        ).last_hidden_state

    def _rotate_apart(self, cu_seq_lens: Tensor, longest: int | None) -> bool:
        """Whether one of the documents would change the rotary embeddings of the others."""
        if self.alike_up_to is None:
            return False
        return (longest or int(cu_seq_lens.diff().max())) > self.alike_up_to

    def _read_apart(self, trunk: nn.Module, tokens: Tensor, cu_seq_lens: Tensor) -> Tensor:
        """Hidden states (1, T, C) of packed documents, each in a row of its own, filled up on the right.

        That is right for every architecture: packing has to know how each of its layers mixes tokens. Those
        of like length are read together, so that no more is filled up than the packed row has tokens.
        """
        lengths = cu_seq_lens.diff().tolist()
        documents = tokens[0].split(lengths)
        hidden: dict[int, Tensor] = {}  # of each document
        for group in self._groups(lengths):
            rows = nn.utils.rnn.pad_sequence([documents[place] for place in group], batch_first=True)
            own = torch.tensor([lengths[place] for place in group], device=rows.device)
            real = torch.arange(rows.shape[1], device=rows.device) < own[:, None]  # (documents, longest)
            states = trunk(input_ids=rows, attention_mask=real.long(), use_cache=False).last_hidden_state
            for place, state in zip(group, states, strict=True):
                hidden[place] = state[: lengths[place]]
        return torch.cat([hidden[place] for place in range(len(documents))])[None]

    def _groups(self, lengths: list[int]) -> Iterator[list[int]]:
        """The places of documents that may be read together."""
        limit = self.alike_up_to or max(lengths)
        for rotated in (False, True):
            places = [place for place, length in enumerate(lengths) if (length > limit) == rotated]
            for group in alike([lengths[place] for place in places], most=len(lengths), tokens=sum(lengths)):
                yield [places[index] for index in group]

    def losses(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """The loss of each target (N,), from the hidden state that predicts it (N, C)."""
        if isinstance(self.model, Decoder):
            return chunked_cross_entropy(hidden, self.model.output_weight, targets)
        head = self._base().get_output_embeddings()
        if type(head) is nn.Linear and head.bias is None:
            return chunked_cross_entropy(hidden, head.weight, targets, softcap=self.softcap)
        # A bias or an adapter at the output: logits of a part are made, forgotten, and made again backwards.
        size = TOKENS_AT_ONCE_ON_GPU if hidden.is_cuda else TOKENS_AT_ONCE
        parts = zip(hidden.split(size), targets.split(size), strict=True)
        return torch.cat(
            [
                checkpoint(self._losses_of_part, head, part, target, use_reentrant=False)
                for part, target in parts
            ]
        )

    def _losses_of_part(self, head: nn.Module, hidden: Tensor, targets: Tensor) -> Tensor:
        logits = head(hidden)  # (n, V)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        if self.softcap:
            logits = self.softcap * torch.tanh(logits / self.softcap)
        return functional.cross_entropy(logits, targets, reduction="none")

    def _base(self) -> Any:
        """The model of transformers, whose layers hold the adapters where there are any."""
        find: Any = getattr(self.model, "get_base_model", None)
        return find() if find else self.model


def logit_scale(settings: Any) -> float:
    """What a model of transformers multiplies its logits by (Cohere; Granite divides)."""
    if (divisor := getattr(settings, "logits_scaling", None)) is not None:
        return 1.0 / float(divisor)
    factor = getattr(settings, "logit_scale", None)
    return 1.0 if factor is None else float(factor)
