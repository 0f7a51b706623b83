"""Ranks the attempts of a dump: a data frame for each section."""

import pandas as pd

import answers
import stream
from quiz import OVERALL

# the two ways to count the outcomes of attempts
WAYS = {"table": answers.frame, "stream": stream.frame}


def section_frame(quiz, frame, section):
    """Marks, counts, rank and percentile in one section, or overall if `section` is None."""
    parts = [(at, it) for at, it in enumerate(quiz.parts) if section in (None, it.section)]
    result = pd.DataFrame({"ended": frame["ended"]})
    for name in ("correct", "partly", "wrong"):
        result[name] = sum(frame[f"p{at}_{name}"] for at, _ in parts)
    marks, skipped = 0.0, 0
    for at, part in parts:
        marking = quiz.sets[part.set]
        correct, partly, wrong = (frame[f"p{at}_{name}"] for name in ("correct", "partly", "wrong"))
        left = (part.allowed - correct - partly - wrong).clip(lower=0)
        marks = marks + marking.correct * correct + marking.wrong * wrong + marking.skipped * left
        marks = marks + frame[f"p{at}_partial_marks"]
        skipped = skipped + left
    result["marks"], result["skipped"] = marks.round(2), skipped
    maximum = sum(quiz.sets[part.set].correct * part.allowed for _, part in parts)
    answered = result["correct"] + result["partly"] + result["wrong"]
    result["percentage"] = (100 * result["marks"] / maximum).round(2)
    result["accuracy"] = (100 * (result["correct"] + 0.5 * result["partly"]) / answered).fillna(0).round(2)
    # participants who did not end their attempt are not ranked
    final_marks = result.loc[result["ended"], "marks"]
    result["rank"] = final_marks.rank(method="min", ascending=False)
    result["percentile"] = 100 * final_marks.rank(method="max") / len(final_marks)
    result.attrs = {
        "name": OVERALL if section is None else quiz.sections[section],
        "section": section,
        "maximum": maximum,
        "questions": sum(part.questions for _, part in parts),
        "takers": len(final_marks),
        "highest": final_marks.max(),
        "average": round(final_marks.mean(), 2),
        "median": final_marks.median(),
    }
    return result


def ranked(path, quiz, way):
    """The frame of counts, and a frame of results overall and for each section."""
    frame = WAYS[way](path, quiz)
    sections = [section_frame(quiz, frame, it) for it in [None, *range(len(quiz.sections))]]
    return frame, sections
