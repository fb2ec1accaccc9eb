//! Who is told what becomes of rows.

use super::counters::Loss;
use crate::batch::Part;

/// Is told what became of all rows that entered [`super::BatchSender::send`]: each row once, table by table, when all rows of
/// its batch are settled and before the batch's receipt is called.
///
/// Of a batch with a receipt that was let go at a stop nothing is told: its rows are neither stored nor lost.
///
/// Called on inserting threads and on threads that send, so it must not wait for either.
pub trait Observer: Send + Sync {
    /// ClickHouse has acknowledged the rows.
    fn stored(&self, part: Part<'_>);

    /// The rows were encoded and thrown away, which is neither: the settings ask for it.
    fn discarded(&self, part: Part<'_>);

    /// The rows were given up.
    fn lost(&self, part: Part<'_>, loss: Loss);
}

/// Nobody.
impl Observer for () {
    fn stored(&self, _part: Part<'_>) {}

    fn discarded(&self, _part: Part<'_>) {}

    fn lost(&self, _part: Part<'_>, _loss: Loss) {}
}
