"""Counts the outcomes of each attempt in the usual pandas way: a table with a row for each answer, grouped."""

import bson
import pandas as pd

from scoring import CORRECT, PARTLY, SKIPPED, WRONG, judge_of


def tables(path, quiz):
    """Two tables: a row for each attempt, and a row for each answer with the position of its attempt."""
    judges = [judge_of(question, quiz.sets[question.set]) for question in quiz.questions]
    positions = {question.id: at for at, question in enumerate(quiz.questions)}
    attempts, answers = [], []
    with open(path, "rb") as file:
        for document in bson.decode_file_iter(file):
            if document["quiz_id"] != quiz.id or document["user_id"] == "test_admin":
                continue
            records, attempt = document["session_answers"], len(attempts)
            start = [it["created_at"] for it in document.get("events") or [] if it["event_type"] == "start-quiz"]
            if not start and all(it["answer"] is None for it in records):
                continue
            identity = (document["user_id"], document["_id"], document["has_quiz_ended"])
            attempts.append((*identity, start[0] if start else document["created_at"]))
            for record in records:
                position = positions[record["question_id"]]
                answers.append((attempt, position, *judges[position](record["answer"])))
    attempts = pd.DataFrame(attempts, columns=["user_id", "id", "ended", "start"])
    return attempts, pd.DataFrame(answers, columns=["attempt", "position", "outcome", "marks"])


def frame(path, quiz):
    attempts, answers = tables(path, quiz)
    chosen = attempts.sort_values(["ended", "id"]).drop_duplicates("user_id", keep="last")
    answers = answers[answers["attempt"].isin(chosen.index)]
    places = [(it.part, -1 if it.chapter is None else it.chapter) for it in quiz.questions]
    answers = answers.join(pd.DataFrame(places, columns=["part", "chapter"]), on="position")
    limited = [quiz.sets[it.set].limited for it in quiz.questions]
    left_out = answers["outcome"].eq(SKIPPED) & ~answers["position"].map(dict(enumerate(limited)))
    skipped = answers["position"].map({at: quiz.sets[it.set].skipped for at, it in enumerate(quiz.questions)})
    answers["line_marks"] = answers["marks"] + skipped.where(left_out, 0)
    for name, outcome in (("correct", CORRECT), ("partly", PARTLY), ("wrong", WRONG)):
        answers[name] = answers["outcome"].eq(outcome)
    answers["partial_marks"] = answers["marks"].where(answers["partly"], 0)
    answers["answered"] = answers["outcome"].le(WRONG)
    answers["right"] = answers["correct"] + 0.5 * answers["partly"]
    parts = summed(answers, "part", "p", ["correct", "partly", "wrong", "partial_marks"])
    lines = answers[answers["chapter"].ge(0)].drop(columns="marks").rename(columns={"line_marks": "marks"})
    chapters = summed(lines, "chapter", "c", ["answered", "right", "marks"])
    counts = chosen[["user_id", "ended", "start"]].join([parts, chapters])
    return counts.set_index("user_id").sort_index()


def summed(answers, of, prefix, values):
    """A row for each attempt, with a column for each part or chapter and value."""
    sums = answers.groupby(["attempt", of])[values].sum().unstack(fill_value=0)
    sums.columns = [f"{prefix}{place}_{value}" for value, place in sums.columns]
    return sums
