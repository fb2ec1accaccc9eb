//! Structs of arrays: what the columns of all tables have in common.

use crate::columns::Labels;
use crate::flat::Flat;
use crate::raw::Raw;
use crate::text::Text;

/// A column of a table: cells of one kind, one for each row.
pub(crate) trait Column {
    /// Makes the column `rows` long: appends empty cells, or cuts.
    fn resize_rows(&mut self, rows: usize);
    /// Makes room for `rows` in all.
    fn reserve_rows(&mut self, rows: usize);
    /// Makes the column `rows` long if it is shorter.
    fn lengthen(&mut self, rows: usize);
    /// Forgets the cells, keeps the memory.
    fn clear_rows(&mut self);
}

impl<T: Clone + Default> Column for Vec<T> {
    fn resize_rows(&mut self, rows: usize) {
        self.resize(rows, T::default());
    }

    fn reserve_rows(&mut self, rows: usize) {
        self.reserve(rows.saturating_sub(self.len()));
    }

    #[inline]
    fn lengthen(&mut self, rows: usize) {
        if self.len() < rows {
            self.resize(rows, T::default());
        }
    }

    fn clear_rows(&mut self) {
        self.clear();
    }
}

impl<T: Copy + Default> Column for Flat<T> {
    fn resize_rows(&mut self, rows: usize) {
        self.resize(rows);
    }

    fn reserve_rows(&mut self, rows: usize) {
        self.reserve(rows);
    }

    #[inline]
    fn lengthen(&mut self, rows: usize) {
        Self::lengthen(self, rows);
    }

    fn clear_rows(&mut self) {
        self.clear();
    }
}

macro_rules! column {
    ($($type:ty)*) => {
        $(impl Column for $type {
            fn resize_rows(&mut self, rows: usize) {
                self.resize(rows);
            }

            fn reserve_rows(&mut self, rows: usize) {
                self.reserve(rows);
            }

            fn lengthen(&mut self, rows: usize) {
                if self.len() < rows {
                    self.resize(rows);
                }
            }

            fn clear_rows(&mut self) {
                self.clear();
            }
        })*
    };
}

column!(Labels Raw Text);

/// A struct of public columns, one cell for each row, and what does the same to all of them. Its length is that of
/// `received_ms`. Private fields after `;` are left alone.
macro_rules! struct_of_arrays {
    ($(#[$doc:meta])* $name:ident { $($(#[$column_doc:meta])* $column:ident: $type:ty,)* ; $($field:ident: $other:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default)]
        pub struct $name {
            $($(#[$column_doc])* pub $column: $type,)*
            $(pub(crate) $field: $other,)*
        }

        impl $name {
            /// Makes every column `rows` long, new cells empty.
            pub fn resize(&mut self, rows: usize) {
                $(crate::arrays::Column::resize_rows(&mut self.$column, rows);)*
            }

            /// Makes every column that is shorter `rows` long, new cells empty.
            pub fn lengthen(&mut self, rows: usize) {
                $(crate::arrays::Column::lengthen(&mut self.$column, rows);)*
            }

            /// Makes room for `rows` in all, so that decoding up to there does not allocate.
            /// `pulse` is called after each column, since emptying fresh memory takes a while.
            pub fn reserve_meanwhile(&mut self, rows: usize, pulse: &mut dyn FnMut()) {
                $(
                    crate::arrays::Column::reserve_rows(&mut self.$column, rows);
                    pulse();
                )*
            }

            /// Forgets the rows, keeps the memory.
            pub fn clear(&mut self) {
                $(crate::arrays::Column::clear_rows(&mut self.$column);)*
            }

            /// Number of rows.
            #[must_use]
            pub fn len(&self) -> usize {
                self.received_ms.len()
            }

            /// Whether there is none.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.received_ms.is_empty()
            }
        }
    };
}

pub(crate) use struct_of_arrays;
