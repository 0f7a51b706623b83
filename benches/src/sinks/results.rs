use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use quiz_domain::reports::{Stamp, section_results};
use quiz_domain::{Quiz, TakenAttempt, Test, TestSession};
use quiz_events::{Cause, Sink};
use quiz_pipeline::{ResultSink, RunScope, SinkBatch, SinkCounts, SinkError, TestWriter};

/// Writes a CSV file: `user_id,section,marks,rank,percentile`, the last two empty for one who is not ranked.
#[derive(Clone, Debug)]
pub struct ResultsFile(pub PathBuf);

impl ResultsFile {
    fn write(&self, test: &Test, stamp: Stamp) -> Result<u64, Cause> {
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

impl ResultSink for ResultsFile {
    fn sink(&self) -> Sink {
        Sink::Reports
    }

    fn begin(&self) -> Result<Arc<dyn SinkBatch>, SinkError> {
        Ok(Arc::new(self.clone()))
    }
}

#[async_trait]
impl SinkBatch for ResultsFile {
    fn test(&self, _quiz: &Quiz, _session: &TestSession) -> Box<dyn TestWriter> {
        Box::new(self.clone())
    }

    fn commits_together(&self) -> bool {
        false
    }

    async fn commit(&self, session_ids: &[String]) -> Vec<Result<(), SinkError>> {
        session_ids.iter().map(|_| Ok(())).collect()
    }
}

#[async_trait]
impl TestWriter for ResultsFile {
    fn wants_attempts(&self) -> bool {
        false
    }

    async fn take(&mut self, _quiz: &Quiz, _attempt: &TakenAttempt) -> Result<(), SinkError> {
        Ok(())
    }

    async fn finish(
        self: Box<Self>,
        test: &Test,
        stamp: Stamp,
        _scope: &RunScope,
    ) -> Result<SinkCounts, SinkError> {
        let written = self.write(test, stamp);
        let failed = |cause| SinkError::Output { what: self.0.display().to_string(), cause };
        Ok(SinkCounts { written: written.map_err(failed)?, ..SinkCounts::default() })
    }
}
