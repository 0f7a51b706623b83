"""Makes the v1 reports of a ranked cohort, each with a digest of its content."""

import hashlib
import json


def items(quiz, frame, sections, session_id):
    template = {
        "session_id": session_id,
        "test_id": quiz.id,
        "test_name": quiz.title,
        "test_type": quiz.metadata.get("quiz_type"),
        "test_format": quiz.metadata.get("test_format"),
        "platform": "quizengine",
        "start_date": frame["start"].min()[:10],
        "grade": quiz.metadata.get("grade"),
    }
    for results in sections:
        yield from section_items(template, quiz, frame, results)


def section_items(template, quiz, frame, results):
    section = results.attrs
    template = template | {
        "section": section["name"],
        "max_marks_possible": section["maximum"],
        "total_questions": section["questions"],
        "number_test_taker": section["takers"],
        "highest_test_score": section["highest"],
        "avg_test_score": section["average"],
    }
    chapters = [(at, it) for at, it in enumerate(quiz.chapters) if it.section == section["section"]]
    lines = [chapter_lines(frame, at, it, section["name"]) for at, it in chapters]
    lines = zip(*lines) if lines else (None for _ in range(len(results)))
    percentiles = results["percentile"].round(2)
    columns = ("ended", "marks", "correct", "wrong", "partly", "skipped", "percentage", "accuracy", "rank")
    rows = zip(results.index, *(results[it] for it in columns), percentiles, lines)
    for user, ended, marks, correct, wrong, partly, skipped, percentage, accuracy, rank, percentile, chapters in rows:
        item = template | {
            "user_id": user,
            "user_id-section": f"{user}#{section['name']}",
            "marks_scored": marks,
            "num_correct": correct,
            "num_wrong": wrong,
            "num_partially_correct": partly,
            "num_skipped": skipped,
            "percentage": percentage,
            "accuracy": accuracy,
            "has_quiz_ended": ended,
        }
        if ended:
            item |= {"rank": int(rank), "percentile": percentile}
        if chapters is not None:
            item["chapter_wise_data"] = list(chapters)
        item["content_digest"] = hashlib.blake2b(json.dumps(item).encode(), digest_size=16).hexdigest()
        yield item


def chapter_lines(frame, at, chapter, section):
    """The line of a chapter for each student."""
    answered = frame[f"c{at}_answered"]
    accuracy = (100 * frame[f"c{at}_right"] / answered).fillna(0).round(2)
    attempted = (100 * answered / chapter.questions).round(2)
    same = {
        "chapter_name": chapter.name,
        "chapter_code": chapter.code,
        "section": section,
        "max_score": chapter.max_score,
        "total_questions": chapter.questions,
    }
    return [
        same | {"marks_scored": marks, "accuracy": right, "attempt_percentage": part}
        for marks, right, part in zip(frame[f"c{at}_marks"], accuracy, attempted)
    ]
