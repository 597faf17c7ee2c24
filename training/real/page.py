"""What real data say, as a page: the figures beside what they are worth."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from training.metrics import Estimate
from training.real.experiments import Result

METHODS = {
    "network": "our network", "header": "age, sex and view", "pixels": "64 px, PCA and logistic",
    "phantom trunk": "phantom trunk and logistic", "logistic": "logistic on the same fields",
}  # fmt: skip
INTRODUCTION = """# Real data

Films and tables of real patients that anybody may have: too few to train what the papers trained, enough to see whether the code learns
from something that it did not draw itself. Every figure is of patients that neither trained a network nor chose its epoch; intervals hold
95 % and resample patients. Nothing here is a claim about the papers' systems or about clinical use.
"""
NO_FILMS = "The films were left out of this run (`--tables-only`): what follows is of tables alone.\n"
SOURCES = """Films: NIH ChestX-ray14, labels mined from reports (Wang et al., CVPR 2017; the NIH Clinical Center); the selection at hand
is half Pneumonia and half No Finding. Tables: CBIS-DDSM (Sawyer-Lee et al., Scientific Data 2017), official test set; training rows of
patients who stand in a test table are left out. Findings with fewer than 30 films are not listed.
"""


def verdict(gain: Estimate) -> str:
    """What the interval of a difference allows to say."""
    if gain.low > 0:
        return "better"
    return "worse" if gain.high < 0 else "not told apart"


def store(results: tuple[Result, ...], command: str, path: Path) -> None:
    """Figures only, no row of any patient."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"command": command, "results": [asdict(each) for each in results]}, indent=1) + "\n")


def page(path: Path) -> str:
    """The page of stored results, in Markdown."""
    stored = json.loads(path.read_text())
    films = [] if any("NIH" in each["name"] for each in stored["results"]) else [NO_FILMS]
    again = f"`{stored['command']}` makes this page again.\n"
    parts = [INTRODUCTION, *films, *(_section(each) for each in stored["results"]), SOURCES, again]
    return "\n".join(parts)


def _section(result: dict[str, dict[str, dict[str, dict[str, float]]]]) -> str:
    methods = list(next(iter(result["auc"].values())))
    others = [name for name in methods if name != "network"]
    head = "| finding | " + " | ".join(METHODS[name] for name in methods) + " | against the best baseline |"
    lines = [f"## {result['name']}", "", f"{result['patients']} patients; AUC.", "", head, "|---|" + "---|" * (len(methods) + 1)]
    for finding, values in result["auc"].items():
        positive, known = result["counts"][finding]
        best = max(others, key=lambda name: values[name]["value"])
        gain = Estimate(**result["gain"][finding][best])
        cells = " | ".join(str(Estimate(**values[name])) for name in methods)
        lines.append(f"| {finding} ({positive} of {known}) | {cells} | {gain}: {verdict(gain)} |")
    return "\n".join(lines) + "\n"
