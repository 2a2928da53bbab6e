"""Answers of a language model: to many prompts at once, or to one of them piece by piece."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing

from .config import SamplingConfig
from .errors import UserError
from .packing import alike
from .text_pieces import Written, text_pieces

PROMPTS_AT_ONCE = 32  # answered together
KEPT_AT_ONCE = 1 << 14  # tokens whose keys and values are kept meanwhile


class TextGenerator(ABC):
    """What continues prompts, from the next tokens that a framework's model gives.

    Attributes:
        name: How the model is called in messages.
        context: Longest sequence in tokens, the answer included.
    """

    name: str
    context: int

    @abstractmethod
    def text(self, tokens: Sequence[int]) -> str:
        """The text of tokens, without special ones."""

    @abstractmethod
    def prompt_tokens(self, prompt: str) -> list[int]:
        """The tokens of a prompt as the model reads it, one or more."""

    @abstractmethod
    def new_tokens(
        self,
        prompts: Sequence[Sequence[int]],
        sampling: SamplingConfig,
        *,
        numbers: Sequence[int],
        use_cache: bool = True,
    ) -> Generator[list[tuple[int, int]], None, None]:
        """Yield at each step the pairs (place of the prompt, its next token) of those that have not ended."""

    def generate(
        self, prompts: Sequence[str], sampling: SamplingConfig, *, first: int = 0, use_cache: bool = True
    ) -> list[str]:
        """Continue each prompt (a rendered text) until its end; only the new text, without special tokens.

        `first` is the number of the first prompt: each has random numbers of its own. Raises UserError for a
        prompt that fills the model's context.
        """
        return [one.text for one in self.write(prompts, sampling, first=first, use_cache=use_cache)]

    def write(
        self, prompts: Sequence[str], sampling: SamplingConfig, *, first: int = 0, use_cache: bool = True
    ) -> list[Written]:
        """The same with the number of tokens, and whether the text was cut."""
        encoded = [self._encoded(prompt) for prompt in prompts]
        limits = [sampling.longest(self.context - len(tokens)) for tokens in encoded]
        lengths = [len(tokens) + limit for tokens, limit in zip(encoded, limits, strict=True)]
        written: dict[int, Written] = {}
        for batch in alike(lengths, most=PROMPTS_AT_ONCE, tokens=KEPT_AT_ONCE):
            tokens: list[list[int]] = [[] for _ in batch]
            numbers = [first + index for index in batch]
            read = [encoded[index] for index in batch]
            for pairs in self.new_tokens(read, sampling, numbers=numbers, use_cache=use_cache):
                for row, token in pairs:
                    tokens[row].append(token)
            for index, found in zip(batch, tokens, strict=True):
                written[index] = Written(self.text(found), len(found), len(found) >= limits[index])
        return [written[index] for index in range(len(prompts))]

    def stream(self, prompt: str, sampling: SamplingConfig) -> Generator[str, None, Written]:
        """Yield the continuation of a prompt piece by piece, and return the whole.

        Closing the generator stops the work. Raises UserError for a prompt that fills the model's context.
        """
        encoded = self._encoded(prompt)
        written: list[int] = []

        def tokens() -> Iterator[int]:
            for pairs in steps:
                for _, token in pairs:
                    written.append(token)
                    yield token

        with closing(self.new_tokens([encoded], sampling, numbers=[0])) as steps:
            yield from text_pieces(tokens(), self.text)
        limit = sampling.longest(self.context - len(encoded))
        return Written(self.text(written), len(written), len(written) >= limit)

    def _encoded(self, prompt: str) -> list[int]:
        """The tokens of a prompt that leaves room for an answer. Raises UserError."""
        tokens = self.prompt_tokens(prompt)
        if len(tokens) >= self.context:
            raise UserError(
                f"The prompt has {len(tokens):,} tokens, but {self.name} reads at most {self.context:,}, "
                "its answer included: shorten it."
            )
        return tokens
