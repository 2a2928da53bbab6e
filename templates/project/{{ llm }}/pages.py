"""The report pages of the stages: what to compare with what, and what to look at first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from .evaluating import Answer
from .metrics import HIGHER_IS_BETTER, Metrics
from .plots import plot_bars, plot_curves
from .profile_report import profile_sections
from .report import Rows, Section, write_report
from .runs import Run
from .text_pieces import EMPTY

SHOWN_ANSWERS = 40
PAIRED = (
    "Reward accuracy is the share of pairs whose better answer is the likelier one; margin how much "
    "likelier, in nats; the chosen loss that of the better answers, in nats per token. "
)
UNPAIRED = (
    "The good and the bad loss are those of good and bad answers, in nats per token; the margin is how much "
    "higher that of the bad ones is. "
)


def training_page(run: Run, figures: Mapping[str, Metrics], continued: Mapping[str, str]) -> Path:
    """Held-out text beside the 5-gram, curves, and what the model writes."""
    return write_report(
        run,
        "Pretraining",
        [
            comparison(
                "Held-out text",
                "Text that neither training nor the choice of the best epoch has seen. Bits per byte do not "
                "depend on the tokenizer, so models of any kind can be compared by them: fewer are better. "
                "The 5-gram counts which byte follows which four; a model that does not beat it has learned "
                "spelling only.",
                figures,
            ),
            Section(
                title="Curves",
                text="Loss in nats per token. A validation loss that rises while the training loss falls is "
                "overfitting; the weights of the best epoch were kept.",
                figures={"Loss per epoch": plot_curves(run.history(), run.path("plots/curves.png"))},
            ),
            *texts(
                "What it writes", [{"beginning": one, "goes on": text} for one, text in continued.items()]
            ),
            *profile_sections(run),
        ],
    )


def evaluation_page(
    run: Run, figures: Metrics, answers: Sequence[Answer], harness: Mapping[str, Metrics]
) -> Path:
    """Figures, the answers beside what was expected, and public benchmarks where they were asked for."""
    sections = [Section(title="Figures", text=explain(figures), rows=[{"model": "this model", **figures}])]
    if answers:
        sections.append(wrong_answers(answers))
    if harness:
        rows = [{"task": task, **values} for task, values in harness.items()]
        sections.append(Section(title="lm-evaluation-harness", rows=rows))
    return write_report(run, "Evaluation", sections)


def finetuning_page(run: Run, figures: Mapping[str, Metrics], sides: Rows, answers: Sequence[Answer]) -> Path:
    """Before, after, other methods; the same questions answered before and after; curves."""
    sections = [
        comparison(
            "Before and after",
            "Test conversations, which training has not seen. " + explain(next(iter(figures.values()))),
            figures,
        ),
        *texts("The same questions before and after", sides),
    ]
    exact = {name: one["exact_match"] for name, one in figures.items() if "exact_match" in one}
    if exact:
        picture = plot_bars(
            exact, "share of answers that are just what is expected", run.path("plots/exact.png")
        )
        sections.append(Section(title="Exact answers", figures={"Higher is better": picture}))
    if answers:
        sections.append(wrong_answers(answers))
    curves = plot_curves(run.history(), run.path("plots/curves.png"))
    sections.append(
        Section(
            title="Curves",
            text="Loss in nats per token of the assistant's turns; nothing else is learned.",
            figures={"Loss per epoch": curves},
        )
    )
    return write_report(run, "Fine-tuning", [*sections, *profile_sections(run)])


def wrong_answers(answers: Sequence[Answer]) -> Section:
    """The answers that are not what is expected, to see what goes wrong."""
    wrong = [one for one in answers if one.answer != one.expected]
    rows = [
        {"question": shorten(one.prompt), "expected": shorten(one.expected), "answer": shorten(one.answer)}
        for one in wrong[:SHOWN_ANSWERS]
    ]
    more = f" The first {SHOWN_ANSWERS} of them:" if len(wrong) > SHOWN_ANSWERS else ""
    return Section(
        title="Answers that are not exact",
        text=f"{len(wrong):,} of {len(answers):,} answers differ from what is expected.{more}",
        rows=rows,
    )


def explain(figures: Metrics) -> str:
    """What the figures mean."""
    exact = (
        "The exact match is the share of answers that are, letter for letter, what is expected; answers cut "
        "were longer than they may be (answer_tokens), and count as wrong. "
    )
    words = PAIRED if "reward_accuracy" in figures else UNPAIRED if "good_loss" in figures else ""
    words += exact if "exact_match" in figures else ""
    loss = (
        "The loss is the mean of -ln(probability) of each token; perplexity is e to its power: among how "
        "many tokens the model hesitates."
    )
    return words + (loss if "loss" in figures else "")


def comparison(title: str, text: str, figures: Mapping[str, Metrics]) -> Section:
    """A table with one row per model, the best figure of each kind marked."""
    rows = [
        {"model": name, **{key.replace("_", " "): value for key, value in one.items()}}
        for name, one in figures.items()
    ]
    better = {key.replace("_", " "): higher for key, higher in HIGHER_IS_BETTER.items()}
    return Section(title=title, text=text, rows=rows, higher_is_better=better)


def texts(title: str, rows: Rows) -> list[Section]:
    """A table of texts, where there are any."""
    if not rows:
        return []
    return [
        Section(
            title=title, rows=[{name: shorten(str(text), 400) for name, text in row.items()} for row in rows]
        )
    ]


def shorten(text: str, longest: int = 200) -> str:
    """The text, cut where it is longer than a table cell should be; said where it is empty."""
    text = text if text.strip() else EMPTY
    return text if len(text) <= longest else text[: longest - 1] + "…"
