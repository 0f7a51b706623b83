//! The distribution of marks as an SVG, in a wide and a narrow drawing. Phones get the narrow drawing, because the labels
//! of the wide one would be too small to read.

use quiz_domain::{AttemptResults, Histogram, SessionResult};

use super::html::{card, count, number};

/// With fewer participants, percentiles say less than the bars.
const LEAST_FOR_PERCENTILES: usize = 20;
const PERCENTILES: [u32; 4] = [25, 50, 75, 90];

pub(super) fn render(test: &SessionResult) -> String {
    let title = "Distribution of marks";
    let Some(histogram) = test.histogram() else {
        return card(title, "", "<p>No participant is ranked yet.</p>");
    };
    let percentiles = percentiles(test);
    let mut note = "Ranked participants by marks in the whole test.".to_owned();
    if !percentiles.is_empty() {
        note.push_str(" P90: 90% of the participants have these marks or fewer.");
    }
    let wide = Drawing { class: "wide", width: 720.0, height: 290.0, histogram: &histogram };
    let narrow = Drawing { class: "narrow", width: 340.0, height: 250.0, histogram: &histogram };
    card(title, &note, &format!("{}\n{}", wide.svg(&percentiles), narrow.svg(&percentiles)))
}

/// For each of [`PERCENTILES`], the marks that this share of the ranked participants does not exceed.
fn percentiles(test: &SessionResult) -> Vec<(u32, f64)> {
    let AttemptResults::Scored { rankings, .. } = &test.results else { return Vec::new() };
    let Some(overall) = rankings.first() else { return Vec::new() };
    let ranked = overall.marks.iter().zip(overall.standings()).filter(|(_, standing)| standing.is_some());
    let mut marks: Vec<f64> = ranked.map(|(marks, _)| *marks).collect();
    if marks.len() < LEAST_FOR_PERCENTILES {
        return Vec::new();
    }
    marks.sort_by(f64::total_cmp);
    let nearest = |percentile: u32| {
        let place = (marks.len() * percentile as usize).div_ceil(100).checked_sub(1)?;
        Some((percentile, *marks.get(place)?))
    };
    PERCENTILES.into_iter().filter_map(nearest).collect()
}

struct Drawing<'a> {
    class: &'static str,
    width: f64,
    height: f64,
    histogram: &'a Histogram,
}

impl Drawing<'_> {
    const TOP: f64 = 40.0;
    const RIGHT: f64 = 10.0;
    const BOTTOM: f64 = 44.0;
    const DIGIT: f64 = 6.6;

    fn left(&self) -> f64 {
        30.0 + Self::DIGIT * text_width(&count(self.highest_count()))
    }

    fn slot(&self) -> f64 {
        (self.width - self.left() - Self::RIGHT) / as_number(self.histogram.counts.len())
    }

    fn floor(&self) -> f64 {
        self.height - Self::BOTTOM
    }

    fn highest_count(&self) -> u32 {
        self.histogram.counts.iter().copied().max().unwrap_or_default()
    }

    /// The edge to the left of a bin, counted from 0.
    fn edge(&self, bin: usize) -> f64 {
        self.left() + as_number(bin) * self.slot()
    }

    fn y(&self, participants: u32) -> f64 {
        let share = f64::from(participants) / f64::from(self.highest_count().max(1));
        self.floor() - share * (self.floor() - Self::TOP)
    }

    fn svg(&self, percentiles: &[(u32, f64)]) -> String {
        let (class, width, height) = (self.class, self.width, self.height);
        let parts =
            [self.grid(), self.bars(), self.marks_axis(), self.percentiles(percentiles), self.counts()];
        format!(
            "<svg class=\"{class}\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
             aria-label=\"Histogram of marks\">\n{}</svg>",
            parts.concat()
        )
    }

    fn grid(&self) -> String {
        let step = round_step(self.highest_count().div_ceil(4).max(1));
        let (left, right) = (self.left(), self.width - Self::RIGHT);
        let lines = (0..=self.highest_count() / step).map(|line| {
            let (participants, y) = (line * step, self.y(line * step));
            format!(
                "<line class=\"grid\" x1=\"{left:.1}\" x2=\"{right:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n",
                left - 6.0,
                y + 4.0,
                count(participants)
            )
        });
        let middle = f64::midpoint(Self::TOP, self.floor());
        format!(
            "{}<text transform=\"translate(12 {middle:.1}) rotate(-90)\" text-anchor=\"middle\">participants</text>\n",
            lines.collect::<String>()
        )
    }

    /// The bins that are not empty, with their counts.
    fn filled(&self) -> impl Iterator<Item = (usize, u32)> {
        self.histogram.counts.iter().copied().enumerate().filter(|(_, participants)| *participants > 0)
    }

    fn middle(&self, bin: usize) -> f64 {
        self.edge(bin) + self.slot() / 2.0
    }

    fn bars(&self) -> String {
        let width = (self.slot() - 2.0).clamp(1.0, 90.0);
        let bar = |(bin, participants): (usize, u32)| {
            let top = self.y(participants);
            let from = self.histogram.start + as_number(bin) * self.histogram.width;
            format!(
                "<rect class=\"bin\" x=\"{:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{:.1}\">\
                 <title>{} to under {} marks: {}</title></rect>\n",
                self.middle(bin) - width / 2.0,
                self.floor() - top,
                number(from),
                number(from + self.histogram.width),
                count(participants)
            )
        };
        self.filled().map(bar).collect()
    }

    /// The count above each bar; no counts if the widest does not fit.
    fn counts(&self) -> String {
        if text_width(&count(self.highest_count())) * Self::DIGIT > self.slot() {
            return String::new();
        }
        let label = |(bin, participants): (usize, u32)| {
            let (x, y) = (self.middle(bin), self.y(participants) - 4.0);
            let participants = count(participants);
            format!(
                "<text class=\"count\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{participants}</text>\n"
            )
        };
        self.filled().map(label).collect()
    }

    /// The axis of marks, with labels at the edges of every 1, 2, 5, 10 or 20 bins.
    fn marks_axis(&self) -> String {
        let Histogram { start, width, counts } = self.histogram;
        let value = |bin: usize| start + as_number(bin) * width;
        let longest = text_width(&number(*start)).max(text_width(&number(value(counts.len()))));
        let fits = |stride: &u32| f64::from(*stride) * self.slot() > longest * Self::DIGIT + 10.0;
        let stride = [1, 2, 5, 10].into_iter().find(fits).unwrap_or(20);
        let unit = f64::from(stride) * width;
        let floor = self.floor();
        let labels = (0..=counts.len()).filter(|bin| value(*bin).rem_euclid(unit) == 0.0).map(|bin| {
            let x = self.edge(bin);
            format!(
                "<line class=\"axis\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{floor:.1}\" y2=\"{:.1}\"/>\
                 <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n",
                floor + 4.0,
                floor + 17.0,
                number(value(bin))
            )
        });
        let (left, right) = (self.left(), self.width - Self::RIGHT);
        format!(
            "<line class=\"axis\" x1=\"{left:.1}\" x2=\"{right:.1}\" y1=\"{floor:.1}\" y2=\"{floor:.1}\"/>\n{}\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">marks</text>\n",
            labels.collect::<String>(),
            f64::midpoint(left, right),
            self.height - 6.0
        )
    }

    /// The lines of the percentiles; percentiles close to each other share a label.
    fn percentiles(&self, percentiles: &[(u32, f64)]) -> String {
        let x =
            |marks: f64| self.left() + (marks - self.histogram.start) / self.histogram.width * self.slot();
        let line = |(percentile, marks): &(u32, f64)| {
            format!(
                "<line class=\"marker\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"20\" y2=\"{:.1}\">\
                 <title>P{percentile}: {} marks</title></line>\n",
                self.floor(),
                number(*marks),
                x = x(*marks)
            )
        };
        let mut labels: Vec<(f64, String)> = Vec::new();
        for (percentile, marks) in percentiles {
            let (x, name) = (x(*marks), format!("P{percentile}"));
            match labels.last_mut() {
                Some((other, label)) if x - *other < text_width(label) * Self::DIGIT + 6.0 => {
                    *label = format!("{label} {name}");
                }
                _ => labels.push((x, name)),
            }
        }
        let label = |(x, label): &(f64, String)| {
            let half = text_width(label) * Self::DIGIT / 2.0;
            let x = x.clamp(half, self.width - half);
            format!(
                "<text class=\"marker-name\" x=\"{x:.1}\" y=\"14\" text-anchor=\"middle\">{label}</text>\n"
            )
        };
        percentiles.iter().map(line).chain(labels.iter().map(label)).collect()
    }
}

/// The smallest of 1, 2 or 5 times a power of ten that is at least `least`.
fn round_step(least: u32) -> u32 {
    let power = 10_u32.pow(least.checked_ilog10().unwrap_or_default());
    [1, 2, 5, 10]
        .into_iter()
        .map(|factor| power.saturating_mul(factor))
        .find(|step| *step >= least)
        .unwrap_or(least)
}

fn text_width(text: &str) -> f64 {
    as_number(text.chars().count())
}

#[expect(clippy::cast_precision_loss, reason = "a few bins or characters")]
fn as_number(count: usize) -> f64 {
    count as f64
}
