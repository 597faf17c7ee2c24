"""The pages, as Markdown: what each paper claims, what was found here, and how far it carries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from models import SPECS
from training.ablation import Study, study
from training.evidence.verdicts import BORNE_OUT, CONTRADICTED, NOT_SHOWN, RULE, Found, Result, findings

PHANTOMS = (
    "> Every figure of ours on this page was measured on synthetic phantoms: drawings of patients whose truth was planted by us. They",
    "> tell whether a part of a network can help, under these drawings, at this size. They say nothing about patients, and a claim that",
    "> is not shown here may well hold on a real cohort. Published figures are the papers' own, of their cohorts; none is claimed here.",
)
COHORT = ("> Figures of ours were measured on a cohort of the user's. Published figures are the papers' own, of their cohorts.",)
WORDS = (BORNE_OUT, NOT_SHOWN, CONTRADICTED)
NAMES = {"repeated": "repeated splits", "published": "the published protocol"}


def index(results: Mapping[str, Result]) -> str:
    """All models: the rule, and every claim with its verdict."""
    waiting = [model for model in SPECS if model not in results]
    lines = [
        "# Evidence: which claims of the papers hold here", "", *_disclaimer(*results.values()), "",
        "Each paper says that its network is better than another way to do it. We trained both ways on the same patients and looked.", "",
        f"**The rule.** {RULE}", "",
        "| model | claims borne out | not shown | contradicted | cannot be tested here |", "|---|---|---|---|---|",
        *(_counted(model, result) for model, result in results.items()), "",
        *(line for model, result in results.items() for line in _summary(study(model), result)),
        *([f"Not measured yet: {', '.join(waiting)}. `python -m training ablate MODEL` does it.", ""] if waiting else []),
        "[Real films and tables](real.md) have a page of their own. These pages are written by `python -m training evidence` from the",
        "files in [results](results).",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def page(asked: Study, result: Result) -> str:
    """One model."""
    found = findings(asked, result)
    lines = [
        f"# {SPECS[asked.model].title}: evidence", "", f"Paper: {asked.paper}. [All models](index.md)", "", *_disclaimer(result), "",
        _in_short(asked, found, result), "",
        "## What the paper claims", "", *_claims(asked, found, result), "",
        "## What we asked besides", "", *_questions(found, result), "",
        f"![Differences with their intervals](plots/{asked.model}-differences.png)", "",
        "## Every variant", "", *_variants(asked, result), "",
        f"![Variants](plots/{asked.model}-variants.png)", "",
        *_hidden(asked, result),
        "## How it was measured", "", *_protocol(asked, result), "",
        "## Limits", "", *(f"* {limit}" for limit in (*asked.limits, *_size_limits(asked, result))), "",
        f"Reproduce: `{result['command']}`, then `python -m training evidence`. Code {result['code']}.",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _counted(model: str, result: Result) -> str:
    asked = study(model)
    counts = Counter(each.verdict for each in findings(asked, result) if each.comparison.claim)
    return f"| [{model}]({model}.md) | {' | '.join(str(counts[word]) for word in WORDS)} | {len(asked.untestable)} |"


def _summary(asked: Study, result: Result) -> list[str]:
    """The claims of one paper, a line each."""
    claimed = [each for each in findings(asked, result) if each.comparison.claim]
    claims = [f"* {each.comparison.claim} **{_capital(_told(each, result))}**: {each}." for each in claimed]
    untested = [f"* {each.claim} **Cannot be tested here**, because {each.because}" for each in asked.untestable]
    return [f"## {asked.model}", "", f"{asked.paper}. Differences in {asked.metrics[0]}; [more]({asked.model}.md).", "",
            *claims, *untested, ""]  # fmt: skip


def _disclaimer(*results: Result) -> tuple[str, ...]:
    return PHANTOMS if any(result["phantoms"] for result in results) else COHORT


def _told(found: Found, result: Result) -> str:
    """The verdict, with what it was measured on where it says anything."""
    where = "phantoms" if result["phantoms"] else "this cohort"
    return found.verdict if found.verdict == NOT_SHOWN else f"{found.verdict} on {where}"


def _in_short(asked: Study, found: list[Found], result: Result) -> str:
    """The page in two sentences: how the claims fared, and how the model stands beside baselines without a network."""
    counts = Counter(_told(each, result) for each in found if each.comparison.claim)
    fared = ", ".join(f"{count} {word}" for word, count in counts.items()) or "none was tried"
    simple = [each for each in found if asked.variant(each.comparison.other).classical]
    beside = "; ".join(f"{_pair(each)}: {each}" for each in simple)
    tail = f" Beside simple baselines: {beside}." if beside else ""
    return f"**In short.** Of the claims: {fared}, {len(asked.untestable)} cannot be tested here.{tail}"


def _claims(asked: Study, found: list[Found], result: Result) -> list[str]:
    rows = [
        f"| {each.comparison.claim} | {each.comparison.published} | {_pair(each)} | {each} | **{_told(each, result)}** |"
        for each in found
        if each.comparison.claim
    ]
    rows += [
        f"| {each.claim} | {each.published} | | | **cannot be tested here**, because {each.because} |" for each in asked.untestable
    ]
    return ["| claim | published, on their cohort | compared here | difference here | verdict |", "|---|---|---|---|---|", *rows]


def _questions(found: list[Found], result: Result) -> list[str]:
    ours = [each for each in found if not each.comparison.claim]
    rows = [f"| {each.comparison.question} | {_pair(each)} | {each} | {_told(each, result)} |" for each in ours]
    return ["| question | compared | difference | answer |", "|---|---|---|---|", *rows]


def _pair(found: Found) -> str:
    asked = found.comparison
    hidden = f", {asked.hidden:.0%} of the fields hidden" if asked.hidden else ""
    return f"{asked.one} less {asked.other}, {found.metric}{hidden}"


def _variants(asked: Study, result: Result) -> list[str]:
    rows = [
        f"| {name} | {asked.variant(name).text} | "
        + " | ".join(_interval(each["mean"][metric]) for metric in result["metrics"])
        + f" | {', '.join(f'{setting} ({times})' for setting, times in each['chosen'].items())} |"
        for name, each in result["variants"].items()
    ]
    return [
        f"| variant | what it is | {' | '.join(result['metrics'])} | chosen on validation rows (how often) |",
        "|---|---|" + "---|" * (len(result["metrics"]) + 1),
        *rows,
    ]


def _hidden(asked: Study, result: Result) -> list[str]:
    if not asked.hidden:
        return []
    shares, metric = [f"{share:g}" for share in asked.hidden], asked.metrics[0]
    rows = [
        f"| {name} | {_interval(each['mean'][metric])} | {' | '.join(_interval(each['hidden'][share]) for share in shares)} |"
        for name, each in result["variants"].items()
    ]
    return [
        "## With fields missing", "", f"{metric} on the same patients, with fields hidden at random when asked.", "",
        f"| variant | all there | {' | '.join(f'{float(share):.0%} hidden' for share in shares)} |", "|---|---|" + "---|" * len(shares),
        *rows, "",
    ]  # fmt: skip


def _protocol(asked: Study, result: Result) -> list[str]:
    seeds, split = result["seeds"], "split" if result["splits"] == 1 else "splits"
    cohort = "synthetic phantoms" if result["phantoms"] else "of the user"
    half = " Images at half the resolution." if result["network"].get("half") else ""
    return [
        f"* Cohort: {cohort}, {result['rows']} rows of {result['patients']} patients.",
        f"* {_capital(NAMES[result['protocol']])}: seeds {', '.join(map(str, seeds))}, {result['splits']} {split} each. A split trains on "
        f"about {result['train']} rows, chooses on {result['validation']}, and is judged on {result['held_out']} that had no say. Strata "
        "are balanced, no patient stands on two sides, and all variants of a seed see the same split.",
        f"* Size `{result['size']}`: {_options(result)}; epochs: {result['epochs']}, batches of {result['batch_size']}. The best epoch is "
        f"taken by the validation rows.{half}",
        f"* Every variant, the classical baselines too, chooses among {result['trials']} settings (a network: its learning rate) by "
        "the same function, on the same validation rows.",
        "* Intervals hold 95 % of 1000 resamples of patients and of seeds, with the same draws for both sides of a difference.",
        f"* The published protocol, as a choice: {asked.published_protocol} (`--protocol published`).",
        f"* Wall time, since it was last gone on with: {result['wall_s'] / 60:.0f} minutes.",
    ]


def _options(result: Result) -> str:
    """What the networks were: their options by name."""
    return ", ".join(f"{name} {value}" for name, value in result["network"].items())


def _size_limits(asked: Study, result: Result) -> list[str]:
    if result["size"] != "small":
        return []
    return [
        "Networks this small, trained this briefly on so few cases, are not what the papers trained. Parts that need more data to pay may "
        "look useless here; `--size full` on a GPU is the fairer trial. The reference artifact learned from more phantoms; "
        f"[its card](../../artifacts/{asked.model}/card.md) compares it with a few of these variants.",
        f"An interval knows little of seeds where there are {len(result['seeds'])}: read the single ones in the picture.",
    ]


def _interval(triple: list[float] | None) -> str:
    if triple is None:
        return "not estimable"
    value, low, high = triple
    return f"{value:.3f} ({low:.3f} to {high:.3f})"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
