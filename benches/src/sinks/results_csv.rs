use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use async_trait::async_trait;
use quiz_domain::reports::{Stamp, section_results};
use quiz_domain::{Quiz, SessionResult, TestSession};
use quiz_events::{Cause, Sink};
use quiz_pipeline::{ResultSink, RunScope, SessionWriter, SinkCounts, SinkError};

/// A sink that writes a CSV file: `user_id,section,marks,rank,percentile`. Rank and percentile are empty for a participant
/// who is not ranked.
#[derive(Clone, Debug)]
pub struct ResultsCsv(pub PathBuf);

impl ResultsCsv {
    fn write(&self, test: &SessionResult, stamp: Stamp) -> Result<u64, Cause> {
        let mut file = BufWriter::new(File::create(&self.0)?);
        writeln!(file, "user_id,section,marks,rank,percentile")?;
        let mut rows = 0;
        for result in section_results(test, stamp) {
            let report = &result.report;
            write!(file, "{},{},{},", report.user_id, report.section, report.marks_scored)?;
            match result.standing {
                Some(standing) => writeln!(file, "{},{}", standing.rank, standing.percentile)?,
                None => writeln!(file, ",")?,
            }
            rows += 1;
        }
        file.flush()?;
        Ok(rows)
    }
}

impl ResultSink for ResultsCsv {
    fn sink(&self) -> Sink {
        Sink::Reports
    }

    fn writer(
        &self,
        _quiz: &Quiz,
        _session: &TestSession,
        _scope: &RunScope,
    ) -> Result<Box<dyn SessionWriter>, SinkError> {
        Ok(Box::new(self.clone()))
    }
}

#[async_trait]
impl SessionWriter for ResultsCsv {
    fn wants_attempts(&self) -> bool {
        false
    }

    async fn finish(
        self: Box<Self>,
        test: &SessionResult,
        stamp: Stamp,
        _scope: &RunScope,
    ) -> Result<SinkCounts, SinkError> {
        let written = self.write(test, stamp);
        let failed = |cause| SinkError::Output { what: self.0.display().to_string(), cause };
        Ok(SinkCounts { written: written.map_err(failed)?, ..SinkCounts::default() })
    }
}
