"""A SentencePiece tokenizer (Gemma, Mistral, Llama 2) as one of Hugging Face's `tokenizers`.

The same tokens, and in addition where each stands in the text, and marks of turns that are single tokens.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers

from .errors import UserError

SPACE = "▁"  # how a space is written in the pieces


def from_sentence_pieces(proto: bytes, marks: Collection[str], name: str) -> Tokenizer:
    """Convert a SentencePiece model.

    Args:
        proto: Content of its file (`tokenizer.model`, `vocabulary.spm`).
        marks: Texts that stand for one token each, as far as it has them: the special tokens of chats.
        name: Of the preset, for messages.

    Raises:
        UserError: For a kind of model that the language models of KerasHub do not have.
    """
    from sentencepiece import sentencepiece_model_pb2

    formats: Any = sentencepiece_model_pb2  # its classes are made when it is imported
    model = formats.ModelProto.FromString(proto)
    rules, kinds = model.normalizer_spec, formats.ModelProto.SentencePiece
    if (
        model.trainer_spec.model_type != formats.TrainerSpec.BPE
        or rules.precompiled_charsmap
        or rules.remove_extra_whitespaces
    ):
        raise UserError(
            f"The SentencePiece tokenizer of {name} is of a kind that is not read here (only byte-pair ones "
            "that keep the text as it is): take the model in Hugging Face's format, hf://OWNER/NAME, with a "
            "tokenizer.json."
        )
    pieces = {piece.piece: token for token, piece in enumerate(model.pieces)}
    scores = {piece.piece: piece.score for piece in model.pieces if piece.type == kinds.NORMAL}
    unknown = model.pieces[model.trainer_spec.unk_id].piece
    tokenizer = Tokenizer(
        models.BPE(
            pieces,
            merges_of(scores, pieces),
            unk_token=unknown,
            byte_fallback=model.trainer_spec.byte_fallback,
            fuse_unk=True,
        )
    )
    tokenizer.normalizer = normalizers.Replace(" ", SPACE)
    decoding: list[Any] = [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    if rules.add_dummy_prefix:  # a text begins with a space
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(SPACE, prepend_scheme="first", split=False)
        decoding.append(decoders.Strip(" ", left=1))
    tokenizer.decoder = decoders.Sequence(decoding)
    whole = [piece.piece for piece in model.pieces if piece.type == kinds.USER_DEFINED]
    tokenizer.add_tokens([AddedToken(text, normalized=True) for text in whole if text not in marks])
    special = [piece.piece for piece in model.pieces if piece.type == kinds.CONTROL or piece.piece in marks]
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in special])
    return tokenizer


def merges_of(scores: dict[str, float], pieces: dict[str, int]) -> list[tuple[str, str]]:
    """The pairs that SentencePiece joins, those that it joins first in front: the best scores."""
    pairs = [
        (-score, pieces[text[:place]], text[:place], text[place:])
        for text, score in scores.items()
        for place in range(1, len(text))
        if text[:place] in scores and text[place:] in scores
    ]
    return [(left, right) for _, _, left, right in sorted(pairs)]
