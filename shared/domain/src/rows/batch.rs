use jiff::civil::{Date, date};

use super::cell::{Cell, CellType};
use super::schema::{ColumnSpec, WarehouseTable};

/// Rows of one table, stored by column, with the columns of [`WarehouseTable::row_columns`] in their order.
#[derive(Clone, Debug)]
pub struct RowBatch {
    table: WarehouseTable,
    rows: usize,
    columns: Vec<ColumnData>,
}

/// The values of one column, one value for each row. `None` is null.
#[derive(Clone, Debug)]
pub enum ColumnData {
    Text(Texts),
    Int(Vec<Option<i64>>),
    Float(Vec<Option<f64>>),
    Bool(Vec<Option<bool>>),
    /// Days since 1970-01-01.
    Date(Vec<Option<i32>>),
}

/// The texts of one column in one allocation.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    bytes: String,
    /// The end of each text, and whether the text is not null.
    ends: Vec<(usize, bool)>,
}

impl Texts {
    fn push(&mut self, text: Option<&str>) {
        self.bytes.push_str(text.unwrap_or_default());
        self.ends.push((self.bytes.len(), text.is_some()));
    }

    /// Each text in order; `None` is null.
    pub fn iter(&self) -> impl Iterator<Item = Option<&str>> {
        let mut start = 0;
        self.ends.iter().map(move |(end, known)| {
            let text = self.bytes.get(start..*end);
            start = *end;
            text.filter(|_| *known)
        })
    }
}

impl ColumnData {
    fn empty(kind: CellType) -> Self {
        match kind {
            CellType::Text => Self::Text(Texts::default()),
            CellType::Int | CellType::Instant => Self::Int(Vec::new()),
            CellType::Float => Self::Float(Vec::new()),
            CellType::Bool => Self::Bool(Vec::new()),
            CellType::Date => Self::Date(Vec::new()),
        }
    }

    /// Adds a cell. A cell of another type becomes null; a test checks that every column makes cells of its type.
    fn push(&mut self, cell: &Cell<'_>) {
        match (self, cell) {
            (Self::Text(texts), Cell::Text(text)) => texts.push(Some(text)),
            (Self::Text(texts), _) => texts.push(None),
            (Self::Int(values), Cell::Int(value)) => values.push(Some(*value)),
            (Self::Int(values), _) => values.push(None),
            (Self::Float(values), Cell::Float(value)) => values.push(Some(*value)),
            (Self::Float(values), _) => values.push(None),
            (Self::Bool(values), Cell::Bool(value)) => values.push(Some(*value)),
            (Self::Bool(values), _) => values.push(None),
            (Self::Date(values), Cell::Date(day)) => values.push(days_since_1970(*day)),
            (Self::Date(values), _) => values.push(None),
        }
    }
}

impl RowBatch {
    /// Makes a batch without rows.
    #[must_use]
    pub fn new(table: WarehouseTable) -> Self {
        let columns = table.row_columns().map(|column| ColumnData::empty(column.kind)).collect();
        Self { table, rows: 0, columns }
    }

    #[must_use]
    pub fn table(&self) -> WarehouseTable {
        self.table
    }

    /// The number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Each column with its values.
    pub fn columns(&self) -> impl Iterator<Item = (&'static ColumnSpec, &ColumnData)> {
        self.table.row_columns().zip(&self.columns)
    }

    /// Adds a row. Missing cells are null.
    pub(super) fn push<'a>(&mut self, cells: impl Iterator<Item = Cell<'a>>) {
        let mut cells = cells;
        for column in &mut self.columns {
            column.push(&cells.next().unwrap_or(Cell::Null));
        }
        self.rows += 1;
    }
}

/// Days since 1970-01-01, the unit of a Parquet date.
#[must_use]
pub fn days_since_1970(day: Date) -> Option<i32> {
    day.since(date(1970, 1, 1)).ok().map(|span| span.get_days())
}
