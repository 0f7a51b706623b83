"""Reads a quiz from its documents: the questions in order, and how each of them counts."""

from collections import Counter
from dataclasses import dataclass, field

OVERALL = "overall"


@dataclass
class Part:
    """The questions of a set that count in one section; the whole set if it has an optional limit."""

    set: int
    section: int
    allowed: int = 0
    questions: int = 0


@dataclass
class Chapter:
    section: int
    name: str
    code: str | None
    questions: int = 0
    max_score: float = 0.0


@dataclass
class Set:
    title: str
    allowed: int
    limited: bool
    correct: float
    wrong: float
    skipped: float
    partial: dict | None


@dataclass
class Question:
    id: str
    kind: str
    key: object
    graded: bool
    force_correct: bool
    set: int
    part: int = 0
    chapter: int | None = None

    @property
    def counts(self):
        return self.graded or self.force_correct


@dataclass
class Quiz:
    id: str
    title: str
    metadata: dict
    sets: list = field(default_factory=list)
    questions: list = field(default_factory=list)
    sections: list = field(default_factory=list)
    parts: list = field(default_factory=list)
    chapters: list = field(default_factory=list)


def read(document, questions):
    """Reads the quiz. `questions` has all full question documents; the quiz has only the first ten of each set."""
    full = {question["_id"]: question for question in questions}
    quiz = Quiz(document["_id"], document.get("title") or document["_id"], document.get("metadata") or {})
    for stored in document["question_sets"]:
        add_set(quiz, stored, full)
    return quiz


def add_set(quiz, stored, full):
    stubs = stored["questions"]
    counted = [stub.get("graded", True) or stub.get("force_correct", False) for stub in stubs]
    limit = stored.get("max_questions_allowed_to_attempt")
    allowed = max(0, (len(stubs) if limit is None else int(limit)) - counted.count(False))
    limited = allowed != counted.count(True)
    quiz.sets.append(marking(stored, stubs, quiz, allowed, limited))
    number = len(quiz.sets) - 1
    subjects = [subject(quiz, stored, full.get(stub["_id"], stub)) for stub in stubs]
    # a limit cannot be split: the whole set counts in the section of most of its questions
    majority = Counter(subjects).most_common(1)[0][0] if subjects else subject(quiz, stored, {})
    for stub, counts, own in zip(stubs, counted, subjects):
        section = position(quiz.sections, majority if limited else own)
        part = part_of(quiz, number, section, allowed if limited else 0)
        key, kind = stub.get("correct_answer"), stub["type"]
        question = Question(
            stub["_id"], kind, key, stub.get("graded", True), stub.get("force_correct", False), number, part
        )
        if counts:
            quiz.parts[part].questions += 1
            quiz.parts[part].allowed += 0 if limited else 1
            question.chapter = chapter_of(quiz, section, full.get(stub["_id"], stub), quiz.sets[number].correct)
        quiz.questions.append(question)


def marking(stored, stubs, quiz, allowed, limited):
    scheme = stored.get("marking_scheme") or (stubs and stubs[0].get("marking_scheme"))
    if not scheme:
        is_test = quiz.metadata.get("quiz_type") in ("assessment", "omr-assessment")
        scheme = {"correct": 4, "wrong": -1} if is_test else {"correct": 1}
    partial = scheme.get("partial")
    if partial is not None:
        rules = {}
        for rule in partial:
            for condition in rule["conditions"]:
                rules.setdefault(condition["num_correct_selected"], rule["marks"])
        partial = rules
    marks = (scheme.get(name) or 0 for name in ("correct", "wrong", "skipped"))
    return Set(stored.get("title") or "", allowed, limited, *marks, partial)


def subject(quiz, stored, question):
    own = ((question.get("metadata") or {}).get("subject") or "").strip()
    title = (stored.get("title") or "").strip()
    before, dash, _ = f"{title} ".partition(" - ")
    return own or (dash and before.strip()) or quiz.metadata.get("subject") or title or "General"


def position(values, value):
    if value not in values:
        values.append(value)
    return values.index(value)


def part_of(quiz, number, section, allowed):
    for at, part in enumerate(quiz.parts):
        if (part.set, part.section) == (number, section):
            return at
    quiz.parts.append(Part(number, section, allowed))
    return len(quiz.parts) - 1


def chapter_of(quiz, section, question, correct):
    metadata = question.get("metadata") or {}
    name, code = metadata.get("chapter"), metadata.get("chapter_id")
    if not name:
        return None
    for at, chapter in enumerate(quiz.chapters):
        if (chapter.section, chapter.name) == (section, name):
            chapter.code = chapter.code or code
            break
    else:
        at = len(quiz.chapters)
        quiz.chapters.append(Chapter(section, name, code))
    quiz.chapters[at].questions += 1
    quiz.chapters[at].max_score += correct
    return at
