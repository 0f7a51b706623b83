//! Assigns each question to its section (subject), its part and its chapter.
//!
//! Results are given for the whole test and for each section. A set without an optional limit is split by subject: each
//! question counts in its own section. A set with an optional limit cannot be split, because the limit covers all its
//! questions. Such a set counts as a whole in the section of most of its questions.

use crate::problem::{ProblemKind, Problems};
use crate::read::priority::ChapterPriority;
use crate::read::question::Question;
use crate::read::quiz::{Chapter, QuestionSet, Quiz, QuizKind};

/// The key of the section that covers the whole test.
pub const OVERALL: &str = "overall";

/// The questions of one set that count in one section: all questions of a set with an optional limit, else those of
/// one subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectionPart {
    /// Index into [`Quiz::sets`].
    pub set: usize,
    /// Index into [`Quiz::sections`].
    pub section: usize,
    /// How many questions may be attempted: `max(0, limit − ungraded)`.
    pub allowed: u32,
    /// How many questions count.
    pub questions: u32,
}

/// Gives each question its part, section and chapter, in the order of the quiz.
pub(crate) fn assign(quiz: &mut Quiz, problems: &mut Problems) {
    let mut start = 0;
    for set_index in 0..quiz.sets.len() {
        let Some(set) = quiz.sets.get(set_index) else { continue };
        let end = (start + set.len).min(quiz.questions.len());
        let range = start..end;
        start = end;
        // find the subject of each question, and of the whole set
        let questions = quiz.questions.get(range.clone()).unwrap_or_default();
        let subjects: Vec<String> = questions
            .iter()
            .map(|question| subject(question.subject.as_deref(), set, quiz, problems))
            .collect();
        let counted =
            u32::try_from(questions.iter().filter(|question| question.counts()).count()).unwrap_or(u32::MAX);
        let is_split = !set.is_limited;
        if set.allowed > counted && quiz.kind != QuizKind::Form {
            let example = format!("set {:?} allows {} of {counted} graded questions", set.title, set.allowed);
            problems.add(ProblemKind::LimitBeyondQuestions, example);
        }
        let allowed = set.allowed;
        let majority = match majority(&subjects) {
            Some(subject) => subject.to_owned(),
            None => subject(None, set, quiz, problems),
        };
        if subjects.is_empty() && allowed > 0 {
            let section = position_or_push(&mut quiz.sections, |name| *name == majority, || majority.clone());
            quiz.parts.push(SectionPart { set: set_index, section, allowed, questions: 0 });
        }

        // assign each question
        for (offset, own) in subjects.into_iter().enumerate() {
            let subject = if is_split { own } else { majority.clone() };
            let Some(counts) = quiz.questions.get(range.start + offset).map(Question::counts) else {
                continue;
            };
            let section = position_or_push(&mut quiz.sections, |name| *name == subject, || subject.clone());
            let part = position_or_push(
                &mut quiz.parts,
                |part| part.set == set_index && part.section == section,
                || SectionPart {
                    set: set_index,
                    section,
                    allowed: if is_split { 0 } else { allowed },
                    questions: 0,
                },
            );
            if let Some(part) = quiz.parts.get_mut(part).filter(|_| counts) {
                part.questions += 1;
                part.allowed += u32::from(is_split);
            }
            // a counted question that names a chapter also counts in that chapter
            let Some(question) = quiz.questions.get_mut(range.start + offset) else { continue };
            question.part = part;
            question.chapter_line = match &question.chapter {
                Some(name) if counts => Some(position_or_push(
                    &mut quiz.chapters,
                    |chapter| chapter.section == section && chapter.name == *name,
                    || Chapter {
                        section,
                        name: name.clone(),
                        code: None,
                        priority: None,
                        questions: 0,
                        max_score: 0.0,
                    },
                )),
                _ => None,
            };
            let correct = quiz.sets.get(set_index).map_or(0.0, |set| set.marking.correct);
            if let Some(chapter) = question.chapter_line.and_then(|line| quiz.chapters.get_mut(line)) {
                chapter.code = chapter.code.take().or_else(|| question.chapter_id.clone());
                let priority = ChapterPriority::read(&question.priority);
                chapter.priority = chapter.priority.into_iter().chain(priority).min();
                chapter.questions += 1;
                chapter.max_score += correct;
            }
        }
    }
    drop_empty_sections(quiz);
}

/// Removes each section in which no question counts. Its parts and chapters then point to no section.
fn drop_empty_sections(quiz: &mut Quiz) {
    let counts =
        |section| quiz.parts.iter().any(|part| part.section == section && part.questions + part.allowed > 0);
    let kept: Vec<bool> = (0..quiz.sections.len()).map(counts).collect();
    let mut new_index = Vec::with_capacity(kept.len());
    let mut next = 0;
    for keep in &kept {
        new_index.push(if *keep { next } else { usize::MAX });
        next += usize::from(*keep);
    }
    let mut keeps = kept.iter();
    quiz.sections.retain(|_| keeps.next().copied().unwrap_or(true));
    for section in quiz
        .parts
        .iter_mut()
        .map(|part| &mut part.section)
        .chain(quiz.chapters.iter_mut().map(|chapter| &mut chapter.section))
    {
        *section = new_index.get(*section).copied().unwrap_or(usize::MAX);
    }
}

/// The subject of a question, or of a set without questions.
///
/// The first that is given counts: the question's own subject, the part of the set's title before ` - `, the quiz's subject,
/// the set's whole title, or `General`.
fn subject(own: Option<&str>, set: &QuestionSet, quiz: &Quiz, problems: &mut Problems) -> String {
    let set_title = set.title.as_deref().map(str::trim).filter(|title| !title.is_empty());
    let subject = own
        .map(str::to_owned)
        .or_else(|| {
            let padded = format!("{} ", set_title?);
            let (subject, _) = padded.split_once(" - ")?;
            Some(subject.trim().to_owned()).filter(|subject| !subject.is_empty())
        })
        .or_else(|| quiz.subject.clone())
        .or_else(|| set_title.map(str::to_owned))
        .unwrap_or_else(|| "General".to_owned());
    // the key `overall` belongs to the whole test
    if subject == OVERALL {
        problems.add(ProblemKind::SectionRenamed, format!("quiz {} has the subject {OVERALL:?}", quiz.id));
        return format!("{OVERALL} (subject)");
    }
    subject
}

/// The most frequent subject; the first wins a tie.
fn majority(subjects: &[String]) -> Option<&str> {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for subject in subjects {
        match counts.iter_mut().find(|(name, _)| name == subject) {
            Some((_, count)) => *count += 1,
            None => counts.push((subject, 1)),
        }
    }
    counts.into_iter().rev().max_by_key(|(_, count)| *count).map(|(subject, _)| subject)
}

fn position_or_push<T>(items: &mut Vec<T>, is: impl Fn(&T) -> bool, make: impl FnOnce() -> T) -> usize {
    items.iter().position(is).unwrap_or_else(|| {
        items.push(make());
        items.len() - 1
    })
}
