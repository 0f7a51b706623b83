use quiz_domain::reports::ReportTable;

/// The names of the report tables in one environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableNames {
    pub sections: String,
    pub students: String,
    pub form_responses: String,
}

impl TableNames {
    /// The name of a table.
    #[must_use]
    pub fn of(&self, table: ReportTable) -> &str {
        match table {
            ReportTable::Sections => &self.sections,
            ReportTable::Students => &self.students,
            ReportTable::FormResponses => &self.form_responses,
        }
    }
}

impl Default for TableNames {
    fn default() -> Self {
        let name = |table: ReportTable| table.default_name().to_owned();
        Self {
            sections: name(ReportTable::Sections),
            students: name(ReportTable::Students),
            form_responses: name(ReportTable::FormResponses),
        }
    }
}
