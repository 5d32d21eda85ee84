"""Data sets with one of two labels: SuperGLUE's diagnostics, GLUE's SST-2 and QQP.

Sources: Wang et al. 2019, SuperGLUE (arXiv:1905.00537); Wang et al. 2018, GLUE (arXiv:1804.07461).
"""

from __future__ import annotations

from joulebench.tasks import answers, metrics
from joulebench.tasks.form import Form, Item, equal

YES_NO = "Answer with one word, yes or no."
_ENTAILED = ("entailment", "not_entailment")
_SENTENCES = ("sentence1", "sentence2")
_PAIR = ("premise", "hypothesis")
_QUESTIONS = ("question1", "question2")
_POSITIVE = "Answer with one word, positive or negative."


def _pair(premise: str, hypothesis: str) -> str:
    pair = f"Premise: {premise}\n\nHypothesis: {hypothesis}\n\n"
    return f"{pair}Does the hypothesis follow from the premise? "


def _axb(item: Item) -> str:
    return _pair(item["sentence1"], item["sentence2"])


def _axg(item: Item) -> str:
    return _pair(item["premise"], item["hypothesis"])


def _sst2(item: Item) -> str:
    return f"Review: {item['sentence'].strip()}\n\nIs the review positive or negative? "


def _qqp(item: Item) -> str:
    pair = f"Question 1: {item['question1']}\nQuestion 2: {item['question2']}\n\n"
    return f"{pair}Do the two questions ask the same thing? "


def _grade_entailed(item: Item, text: str, variant: str) -> bool | None:
    del variant
    return equal(answers.follows(text), item["label"] == "entailment")


def _grade_sst2(item: Item, text: str, variant: str) -> bool | None:
    del variant
    return equal(answers.positive(text), item["label"] == 1)


def _grade_qqp(item: Item, text: str, variant: str) -> bool | None:
    del variant
    return equal(answers.same_question(text), item["label"] == 1)


PAIRS = (
    Form(
        name="axb",
        title="AX-b",
        texts=_SENTENCES,
        labels=_ENTAILED,
        prompt=_axb,
        short=YES_NO,
        grade=_grade_entailed,
        metrics=metrics.matthews,
        words=("yes", "no"),
    ),
    Form(
        name="axg",
        title="AX-g",
        texts=_PAIR,
        labels=_ENTAILED,
        prompt=_axg,
        short=YES_NO,
        grade=_grade_entailed,
        metrics=metrics.gender_parity,
        words=("yes", "no"),
    ),
    Form(
        name="sst2",
        title="SST-2",
        texts=("sentence",),
        labels=(0, 1),
        prompt=_sst2,
        short=_POSITIVE,
        grade=_grade_sst2,
        words=("negative", "positive"),
    ),
    Form(
        name="qqp",
        title="QQP",
        texts=_QUESTIONS,
        labels=(0, 1),
        prompt=_qqp,
        short=YES_NO,
        grade=_grade_qqp,
        metrics=metrics.f1_of_positives,
        words=("no", "yes"),
    ),
)
