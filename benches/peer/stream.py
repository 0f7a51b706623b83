"""Counts the outcomes of each attempt in a tuned way: scores documents while it reads, and keeps only the counts."""

import bson
import pandas as pd

from scoring import PARTLY, SKIPPED, WRONG, judge_of


class Scorer:
    def __init__(self, quiz):
        self.parts, self.chapters = len(quiz.parts), len(quiz.chapters)
        # each question has the positions of the counts of its part and of its chapter; chapters follow all parts
        self.questions = [
            (
                it.id,
                judge_of(it, quiz.sets[it.set]),
                4 * it.part,
                None if it.chapter is None else 4 * len(quiz.parts) + 3 * it.chapter,
                0 if quiz.sets[it.set].limited else quiz.sets[it.set].skipped,
            )
            for it in quiz.questions
        ]

    def columns(self):
        parts = [f"p{at}_{of}" for at in range(self.parts) for of in ("correct", "partly", "wrong", "partial_marks")]
        return parts + [f"c{at}_{of}" for at in range(self.chapters) for of in ("answered", "right", "marks")]

    def counts(self, records):
        """Returns the counts of an attempt in the order of the columns."""
        counts = [0] * (4 * self.parts + 3 * self.chapters)
        if [it["question_id"] for it in records] != [it[0] for it in self.questions]:
            by_id = {it["question_id"]: it for it in records}
            records = [by_id.get(it[0], {"answer": None}) for it in self.questions]
        for record, (_, judge, part, chapter, skipped_marks) in zip(records, self.questions):
            outcome, marks = judge(record["answer"])
            if outcome <= WRONG:
                counts[part + outcome] += 1
                if outcome == PARTLY:
                    counts[part + 3] += marks
                if chapter is not None:
                    counts[chapter] += 1
                    counts[chapter + 1] += (1, 0.5, 0)[outcome]
                    counts[chapter + 2] += marks
            elif outcome == SKIPPED and chapter is not None and skipped_marks:
                counts[chapter + 2] += skipped_marks
        return counts


def attempts(path, quiz, scorer):
    """One attempt for each user: the ended document with the greatest id, else the document with the greatest id.
    Documents are read and scored one by one, and only the counts are kept."""
    best = {}
    with open(path, "rb") as file:
        for document in bson.decode_file_iter(file):
            user, rank = document["user_id"], (document["has_quiz_ended"], document["_id"])
            if document["quiz_id"] != quiz.id or user == "test_admin":
                continue
            if user in best and best[user][0] > rank:
                continue
            records = document["session_answers"]
            events = document.get("events") or []
            if not any(it["event_type"] == "start-quiz" for it in events) and all(
                it["answer"] is None for it in records
            ):
                continue
            start = next((it["created_at"] for it in events if it["event_type"] == "start-quiz"), document["created_at"])
            best[user] = (rank, start, scorer.counts(records))
    return best


def frame(path, quiz):
    scorer = Scorer(quiz)
    best = attempts(path, quiz, scorer)
    users = sorted(best)
    rows = (best.pop(user) for user in users)
    rows = [(rank[0], start, *counts) for rank, start, counts in rows]
    return pd.DataFrame(rows, columns=["ended", "start", *scorer.columns()], index=pd.Index(users, name="user_id"))
