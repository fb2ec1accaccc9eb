//! What a table is, and rows for tables: what the sink can store, whoever made it.
//!
//! A [`Table`] is data: names, types, codecs and comments of columns, the same as in its migration. [`Rows`] are some rows for
//! one or several tables that are stored together. Not here: which tables there are, and how rows are encoded.

use std::fmt;
use std::sync::Arc;

use netflow::columns::Address;

use super::Block;
use super::cells::Cells;

/// One table in ClickHouse.
#[derive(Debug)]
pub struct Table {
    /// Name in the database, and the value of the label `table` in metrics.
    pub name: &'static str,
    /// Its columns in table order.
    pub columns: &'static [Column],
}

/// One column of a table.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Name in the table and in JSON rows.
    pub name: &'static str,
    /// ClickHouse type.
    pub kind: &'static str,
    /// Compression codecs, as in the DDL's `CODEC(...)`.
    pub codec: &'static str,
    /// The column's comment in the table.
    pub comment: &'static str,
}

/// Rows of one or several tables that are stored as one: acknowledged together, repeated where they were not.
///
/// Tables and columns go by their number in [`Rows::tables`] and [`Table::columns`]; whoever asks keeps within them.
pub trait Rows: fmt::Debug + Send + Sync {
    /// The tables there may be rows for.
    fn tables(&self) -> &'static [&'static Table];

    /// Rows for a table. Each of its columns must have as many cells.
    fn count(&self, table: usize) -> usize;

    /// Rows for a table that the memory held would be enough for.
    fn room(&self, table: usize) -> usize {
        self.count(table)
    }

    /// One column of a table.
    fn cells(&self, table: usize, column: usize) -> Cells<'_>;

    /// The block that they are, if they are one.
    fn block(self: Arc<Self>) -> Option<Arc<Block>> {
        None
    }

    /// Whose datagrams gave a table's rows, and when; nothing for rows that do not come from datagrams.
    fn provenance(&self, _table: usize) -> Option<Provenance<'_>> {
        None
    }
}

/// Whose datagrams gave the rows of a table, and when: one cell for each row.
#[derive(Debug, Clone, Copy)]
pub struct Provenance<'a> {
    /// Exporter address.
    pub exporters: &'a [Address],
    /// Address of the device; the same slice where every device is its own exporter.
    pub agents: &'a [Address],
    /// Observation domain.
    pub domains: &'a [u32],
    /// When the datagram was received, milliseconds since 1970.
    pub received_ms: &'a [i64],
}

/// The rows for one table.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    rows: &'a dyn Rows,
    /// The same, where they are shared.
    shared: Option<&'a Arc<dyn Rows>>,
    index: usize,
    table: &'static Table,
}

impl<'a> Part<'a> {
    /// Each table's rows, also of tables that have none.
    pub fn all(rows: &'a dyn Rows) -> impl Iterator<Item = Self> {
        rows.tables().iter().enumerate().map(move |(index, table)| Self { rows, shared: None, index, table })
    }

    /// Each table's rows, also of tables that have none; their columns can be lent.
    pub fn all_shared(rows: &'a Arc<dyn Rows>) -> impl Iterator<Item = Self> {
        Self::all(&**rows).map(move |part| Self { shared: Some(rows), ..part })
    }

    /// A column by its number, for longer than the part is there: nothing if the rows are not shared.
    #[must_use]
    pub fn lend(&self, column: usize) -> Option<Lent> {
        Some(Lent { rows: Arc::clone(self.shared?), table: self.index, column })
    }

    /// Which table.
    #[must_use]
    pub fn table(&self) -> &'static Table {
        self.table
    }

    /// How many rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.count(self.index)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The columns with their cells, in table order.
    pub fn columns(&self) -> impl Iterator<Item = (&'static Column, Cells<'a>)> + use<'a> {
        let Self { rows, index, table, .. } = *self;
        table.columns.iter().enumerate().map(move |(number, column)| (column, rows.cells(index, number)))
    }

    /// Whose datagrams gave the rows; nothing for rows that do not come from datagrams.
    #[must_use]
    pub fn provenance(&self) -> Option<Provenance<'a>> {
        self.rows.provenance(self.index)
    }

    /// Bytes of memory that the rows take.
    #[must_use]
    pub fn row_bytes(&self) -> usize {
        self.bytes_for(self.len())
    }

    /// Bytes of memory that are held for the rows, with the room for more.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.bytes_for(self.rows.room(self.index))
    }

    fn bytes_for(&self, rows: usize) -> usize {
        self.columns().map(|(_, cells)| cells.width_bytes() * rows + cells.heap_bytes()).sum()
    }
}

/// A column that is read where it is. Its rows stay as they are until it is given back.
#[derive(Debug)]
pub struct Lent {
    rows: Arc<dyn Rows>,
    table: usize,
    column: usize,
}

impl Lent {
    /// Its cells.
    #[must_use]
    pub fn cells(&self) -> Cells<'_> {
        self.rows.cells(self.table, self.column)
    }
}

/// Describes a table of a [`super::Block`] column by column: the table, and where a block keeps the cells.
macro_rules! block_table {
    ($table:literal $($name:literal $kind:literal $codec:literal $variant:ident($($path:ident).+ $(, $names:ident)?) $comment:literal;)*) => {
        /// The table.
        pub static TABLE: crate::batch::Table = crate::batch::Table {
            name: $table,
            columns: &[$(crate::batch::Column { name: $name, kind: $kind, codec: $codec, comment: $comment },)*],
        };

        /// Where a block keeps each column.
        pub(in crate::batch) static CELLS: &[for<'a> fn(&'a crate::batch::Block) -> crate::batch::Cells<'a>] =
            &[$(|block| crate::batch::Cells::$variant(&block.$($path).+ $(, &$names)?),)*];
    };
}

pub(in crate::batch) use block_table;
