"""Judges one answer by the rules of the Quiz Engine."""

CORRECT, PARTLY, WRONG, SKIPPED, UNGRADED = range(5)
NUMBER = (int, float)


def judge_of(question, marking):
    """Returns a function from an answer to its outcome and marks. Work that does not depend on the answer is done once."""
    correct, wrong = (CORRECT, marking.correct), (WRONG, marking.wrong)
    skipped, ungraded = (SKIPPED, 0), (UNGRADED, 0)
    kind, key = question.kind, question.key
    if question.force_correct:
        return lambda answer: correct
    if not question.graded:
        return lambda answer: ungraded
    options = sorted(key) if isinstance(key, list) else key

    def same(answer):
        return sorted(answer) == options if isinstance(answer, list) else answer == options

    def single(answer):
        if answer is None:
            return skipped
        return correct if not isinstance(answer, NUMBER) and same(answer) else wrong

    def several(answer):
        if answer is None:
            return skipped
        if isinstance(answer, NUMBER):
            return wrong
        if same(answer):
            return correct
        if marking.partial is not None and answer and all(option in key for option in answer):
            return PARTLY, marking.partial.get(len(answer), 0)
        return wrong

    def whole_number(answer):
        if answer is None:
            return skipped
        return correct if isinstance(answer, NUMBER) and answer == key else wrong

    def broken_number(answer):
        if answer is None:
            return skipped
        return correct if isinstance(answer, NUMBER) and abs(answer - key) < 0.05 else wrong

    def matrix(answer):
        if answer is None or isinstance(answer, NUMBER):
            return skipped
        return correct if answer == key else wrong

    def texts(answer):
        if answer is None or isinstance(answer, NUMBER):
            return skipped
        has_text = isinstance(answer, dict) and any(isinstance(cell, str) and cell.strip() for cell in answer.values())
        return correct if has_text else wrong

    def text(answer):
        if answer is None or isinstance(answer, NUMBER):
            return skipped
        return correct if isinstance(answer, str) and answer.strip() else wrong

    judges = {
        "single-choice": single,
        "multi-choice": several,
        "matrix-match": several,
        "numerical-integer": whole_number,
        "numerical-float": broken_number,
        "matrix-rating": matrix,
        "matrix-numerical": matrix,
        "matrix-subjective": texts,
        "subjective": text,
    }
    return judges.get(kind, text)
