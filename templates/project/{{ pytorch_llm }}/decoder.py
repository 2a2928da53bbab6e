"""A decoder as Llama and Qwen 3 have it, written out.

tokens → embedding → [ norm → attention → + → norm → SwiGLU → + ] × layers → norm → logits of the next token

Its weights bear the names that they have at Hugging Face, so what it saves is a Llama (or, with normalised
queries and keys, a Qwen 3) to transformers and to every program that reads such models.

Shapes: B sequences, T tokens, C width, H query heads, K heads of keys and values, D width of a head.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from .errors import UserError
from .packed_attention import causal_attention, packed_attention

INITIAL_DEVIATION = 0.02  # of new weights, as in GPT-2


@dataclass(frozen=True, kw_only=True)
class DecoderConfig:
    """Sizes, under the names that config.json of a Llama or Qwen 3 has for them."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    max_position_embeddings: int
    rms_norm_eps: float = 1e-6
    rope_theta: float = 10_000.0
    tie_word_embeddings: bool = True
    qk_norm: bool = True

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> DecoderConfig:
        """Read what a model's config.json holds. Raises UserError where this decoder is not that model."""
        kind = content.get("model_type")
        if kind not in ("llama", "qwen3"):
            raise UserError(f"The decoder in decoder.py is a Llama or Qwen 3; this model is of type {kind}.")
        rope = content.get("rope_parameters") or content.get("rope_scaling") or {}
        heads = content["num_attention_heads"]
        config = cls(
            vocab_size=content["vocab_size"],
            hidden_size=content["hidden_size"],
            intermediate_size=content["intermediate_size"],
            num_hidden_layers=content["num_hidden_layers"],
            num_attention_heads=heads,
            num_key_value_heads=content.get("num_key_value_heads") or heads,
            head_dim=content.get("head_dim") or content["hidden_size"] // heads,
            max_position_embeddings=content["max_position_embeddings"],
            rms_norm_eps=content.get("rms_norm_eps", 1e-6),
            rope_theta=rope.get("rope_theta") or content.get("rope_theta", 10_000.0),
            tie_word_embeddings=content.get("tie_word_embeddings", False),
            qk_norm=kind == "qwen3",
        )
        unusual = {
            "rope_type": rope.get("rope_type", rope.get("type", "default")) != "default",
            "attention_bias": content.get("attention_bias", False),
            "mlp_bias": content.get("mlp_bias", False),
            "use_sliding_window": content.get("use_sliding_window", False),
            "hidden_act": content.get("hidden_act", "silu") != "silu",
        }
        for name, differs in unusual.items():
            if differs:
                raise UserError(
                    f"The decoder in decoder.py has no {name} like this model's: use it through transformers."
                )
        return config

    def to_json(self) -> dict[str, Any]:
        """What config.json holds, so that transformers and others find a Llama or Qwen 3."""
        kind, name = ("qwen3", "Qwen3ForCausalLM") if self.qk_norm else ("llama", "LlamaForCausalLM")
        return {
            "architectures": [name],
            "model_type": kind,
            "vocab_size": self.vocab_size,
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "num_hidden_layers": self.num_hidden_layers,
            "num_attention_heads": self.num_attention_heads,
            "num_key_value_heads": self.num_key_value_heads,
            "head_dim": self.head_dim,
            "max_position_embeddings": self.max_position_embeddings,
            "rms_norm_eps": self.rms_norm_eps,
            "rope_parameters": {"rope_type": "default", "rope_theta": self.rope_theta},
            "rope_theta": self.rope_theta,  # where programs older than transformers 5 look for it
            "tie_word_embeddings": self.tie_word_embeddings,
            "hidden_act": "silu",
            "attention_bias": False,
            "attention_dropout": 0.0,
            "initializer_range": INITIAL_DEVIATION,
            "use_cache": True,
        }


class Packs(NamedTuple):
    """Documents that lie one after another in one row."""

    starts: Tensor
    """Where they begin, and the length of the row at the end: (documents + 1,), int32."""

    longest: int | None
    """Tokens of the longest."""


class RMSNorm(nn.Module):
    """x / √(mean of x² + ε) · weight, over the last axis (Zhang and Sennrich 2019)."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        return functional.rms_norm(x, self.weight.shape, self.weight.to(x.dtype), self.epsilon)


def rotary_angles(config: DecoderConfig) -> tuple[Tensor, Tensor]:
    """Cosine and sine (positions, D / 2) of the angles by which a head's pairs are turned at each position.

    Pair i turns by rope_theta^(-2i / D) per position (Su et al. 2021), so that the product of a query and a
    key depends on how far apart they are.
    """
    pairs = torch.arange(0, config.head_dim, 2, dtype=torch.float32) / config.head_dim
    angles = torch.outer(torch.arange(config.max_position_embeddings).float(), 1 / config.rope_theta**pairs)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn the pairs (first half, second half) of each head: x (B, heads, T, D), angles (…, T, D / 2)."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cosine - second * sine, second * cosine + first * sine), dim=-1).to(x.dtype)


class Attention(nn.Module):
    """Causal attention in which several heads of queries share keys and values (Ainslie et al. 2023)."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        C, H, K, D = (
            config.hidden_size,
            config.num_attention_heads,
            config.num_key_value_heads,
            config.head_dim,
        )
        self.head_dim = D
        self.scale = D**-0.5
        self.q_proj = nn.Linear(C, H * D, bias=False)
        self.k_proj = nn.Linear(C, K * D, bias=False)
        self.v_proj = nn.Linear(C, K * D, bias=False)
        self.o_proj = nn.Linear(H * D, C, bias=False)
        if config.qk_norm:
            self.q_norm = RMSNorm(D, config.rms_norm_eps)
            self.k_norm = RMSNorm(D, config.rms_norm_eps)
        self.qk_norm = config.qk_norm

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor, packs: Packs | None) -> Tensor:
        B, T, _ = x.shape
        query = self.q_proj(x).view(B, T, -1, self.head_dim)
        key = self.k_proj(x).view(B, T, -1, self.head_dim)
        value = self.v_proj(x).view(B, T, -1, self.head_dim).transpose(1, 2)  # (B, K, T, D)
        if self.qk_norm:
            query, key = self.q_norm(query), self.k_norm(key)
        query = rotate(query.transpose(1, 2), cosine, sine)  # (B, H, T, D)
        key = rotate(key.transpose(1, 2), cosine, sine)  # (B, K, T, D)
        if packs is None:
            mixed = causal_attention(query, key, value, scale=self.scale)
        else:
            mixed = packed_attention(query, key, value, packs.starts, scale=self.scale, longest=packs.longest)
        return self.o_proj(mixed.transpose(1, 2).reshape(B, T, -1))


class SwiGLU(nn.Module):
    """down(silu(gate(x)) · up(x)) (Shazeer 2020)."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))


class Block(nn.Module):
    """Attention, then the network for each token alone, each added to what comes in."""

    def __init__(self, config: DecoderConfig, dropout: float) -> None:
        super().__init__()
        self.self_attn = Attention(config)
        self.mlp = SwiGLU(config)
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor, packs: Packs | None) -> Tensor:
        x = x + self.dropout(self.self_attn(self.input_layernorm(x), cosine, sine, packs))
        return x + self.dropout(self.mlp(self.post_attention_layernorm(x)))


class Trunk(nn.Module):
    """All but the output layer: from tokens (B, T) to hidden states (B, T, C)."""

    cosine: Tensor
    sine: Tensor

    def __init__(self, config: DecoderConfig, dropout: float) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Block(config, dropout) for _ in range(config.num_hidden_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.dropout = nn.Dropout(dropout)
        cosine, sine = rotary_angles(config)
        self.register_buffer("cosine", cosine, persistent=False)
        self.register_buffer("sine", sine, persistent=False)
        self.gradient_checkpointing = False

    def forward(
        self,
        input_ids: Tensor,
        position_ids: Tensor | None = None,
        cu_seq_lens: Tensor | None = None,
        longest: int | None = None,
    ) -> Tensor:
        """Hidden states (B, T, C) after the last norm.

        Args:
            input_ids: Tokens (B, T); B is 1 where documents are packed.
            position_ids: Of each token in its document (1, T); counted from 0 where None.
            cu_seq_lens: Where packed documents begin, and T at the end (documents + 1,); None: not packed.
            longest: Tokens of the longest document; without it, a GPU has to be asked.
        """
        packs = None if cu_seq_lens is None else Packs(cu_seq_lens, longest)
        if position_ids is None:
            T = input_ids.shape[1]
            cosine, sine = self.cosine[:T], self.sine[:T]  # (T, D / 2)
        else:
            cosine = self.cosine[position_ids][:, None]  # (1, 1, T, D / 2)
            sine = self.sine[position_ids][:, None]
        x = self.dropout(self.embed_tokens(input_ids))
        for block in self.layers:
            if self.gradient_checkpointing and self.training:
                x = checkpoint(block, x, cosine, sine, packs, use_reentrant=False)
            else:
                x = block(x, cosine, sine, packs)
        return self.norm(x)


class Decoder(nn.Module):
    """The whole model, with new random weights."""

    def __init__(self, config: DecoderConfig, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.config = config
        self.model = Trunk(config, dropout)
        if not config.tie_word_embeddings:
            self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.initialise()

    @property
    def output_weight(self) -> Tensor:
        """Of the output layer (vocabulary, C): the embedding's, where they are tied (Press and Wolf 2017)."""
        return self.model.embed_tokens.weight if self.config.tie_word_embeddings else self.lm_head.weight

    def initialise(self) -> None:
        """Normal weights; those that add to the residual stream are smaller, the more layers do (GPT-2)."""
        smaller = INITIAL_DEVIATION / (2 * self.config.num_hidden_layers) ** 0.5
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                adds = name.endswith(("o_proj", "down_proj"))
                nn.init.normal_(module.weight, std=smaller if adds else INITIAL_DEVIATION)

    def forward(
        self, input_ids: Tensor, position_ids: Tensor | None = None, cu_seq_lens: Tensor | None = None
    ) -> Tensor:
        """Logits (B, T, vocabulary) of the token after each one. Training does without: see LanguageModel."""
        return functional.linear(self.model(input_ids, position_ids, cu_seq_lens), self.output_weight)
