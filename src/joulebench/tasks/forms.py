"""The data sets: SuperGLUE's first six tasks here, all others taken in from beside.

The ``explain`` prompts are those of the published LLaMA-generations study: each ends with
"Explain your choice.", so its answers are free text. ``short`` asks for a single word.
Data sets: Wang et al. 2019, SuperGLUE (arXiv:1905.00537).
"""

from __future__ import annotations

from joulebench.tasks import answers
from joulebench.tasks.form import SHORT, Form, Item, equal
from joulebench.tasks.forms_pairs import PAIRS
from joulebench.tasks.forms_reading import READING


def _boolq(item: Item) -> str:
    return f"Passage: {item['passage']}\n\nQuestion: {item['question']}\n\n"


def _cb(item: Item) -> str:
    pair = f"Premise: {item['premise']}\n\nHypothesis: {item['hypothesis']}\n\n"
    return f"{pair}Does the premise entail the hypothesis? "


def _copa(item: Item) -> str:
    return (
        f"What is the {item['question']} of the following?\n\nPremise: {item['premise']}\n\n"
        f"Choice 1: {item['choice1']}\nChoice 2: {item['choice2']}\n\n"
    )


def _rte(item: Item) -> str:
    pair = f"Premise: {item['premise']}\n\nHypothesis: {item['hypothesis']}\n\n"
    return f"{pair}Does the hypothesis follow from the premise? "


def _wic(item: Item) -> str:
    return (
        f'Does the word "{item["word"]}" have the same meaning in the following two sentences?\n\n'
        f"Sentence 1: {item['sentence1']}\nSentence 2: {item['sentence2']}\n\n"
    )


def _wsc(item: Item) -> str:
    target = item["target"]
    return (
        f'{item["text"]}\n\nIn the sentence above, does "{target["span2_text"]}" refer to '
        f'"{target["span1_text"]}"? '
    )


def _grade_boolq(item: Item, text: str, variant: str) -> bool | None:
    del variant
    return equal(answers.yes_no(text), item["label"])


def _grade_cb(item: Item, text: str, variant: str) -> bool | None:
    """Grade three labels where the prompt asks for three, else entailed or not."""
    if variant == SHORT:
        return equal(answers.entailment_label(text), item["label"])
    return equal(answers.follows(text), item["label"] == "entailment")


def _grade_copa(item: Item, text: str, variant: str) -> bool | None:
    del variant
    return equal(answers.choice(text, (item["choice1"], item["choice2"])), item["label"])


def _grade_rte(item: Item, text: str, variant: str) -> bool | None:
    del variant
    return equal(answers.follows(text), item["label"] == "entailment")


def _grade_wic(item: Item, text: str, variant: str) -> bool | None:
    del variant
    return equal(answers.same_meaning(text), item["label"])


def _grade_wsc(item: Item, text: str, variant: str) -> bool | None:
    del variant
    return equal(answers.refers_to(text, item["target"]["span1_text"]), item["label"])


_PAIR = ("premise", "hypothesis")
_YES_NO = "Answer with one word, yes or no."
_ENTAILED = ("entailment", "not_entailment")
_CB_LABELS = ("entailment", "contradiction", "neutral")
_CB_SHORT = "Answer with one word: entailment, contradiction or neutral."
_COPA_TEXTS = ("premise", "choice1", "choice2", "question")
_WIC_TEXTS = ("word", "sentence1", "sentence2")
_WSC_TEXTS = ("text", "target.span1_text", "target.span2_text")
_BOTH = (False, True)
_NO_YES = ("no", "yes")

FORMS: dict[str, Form] = {
    form.name: form
    for form in (
        Form(
            name="boolq",
            title="BoolQ",
            texts=("passage", "question"),
            labels=_BOTH,
            prompt=_boolq,
            short=_YES_NO,
            grade=_grade_boolq,
            words=_NO_YES,
        ),
        Form(
            name="cb",
            title="CB",
            texts=_PAIR,
            labels=_CB_LABELS,
            prompt=_cb,
            short=_CB_SHORT,
            grade=_grade_cb,
            words=_CB_LABELS,
            explain_words=("yes", "no", "no"),
        ),
        Form(
            name="copa",
            title="COPA",
            texts=_COPA_TEXTS,
            labels=(0, 1),
            prompt=_copa,
            short="Answer with 1 or 2.",
            grade=_grade_copa,
            words=("1", "2"),
        ),
        Form(
            name="rte",
            title="RTE",
            texts=_PAIR,
            labels=_ENTAILED,
            prompt=_rte,
            short=_YES_NO,
            grade=_grade_rte,
            words=("yes", "no"),
        ),
        Form("wic", "WiC", _WIC_TEXTS, _BOTH, _wic, _YES_NO, _grade_wic, words=_NO_YES),
        Form("wsc", "WSC", _WSC_TEXTS, _BOTH, _wsc, _YES_NO, _grade_wsc, words=_NO_YES),
        *READING,
        *PAIRS,
    )
}


def form_named(name: str) -> Form | None:
    """Give the form of a name or a data set's own spelling, in any case; ``None`` if unknown."""
    folded = name.casefold()
    spelt = (form for form in FORMS.values() if form.title.casefold() == folded)
    return FORMS.get(folded) or next(spelt, None)
