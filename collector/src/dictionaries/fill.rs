//! A table, replaced as a whole: written beside the old one, exchanged for it, its dictionary loaded again.

use super::content::Rows;
use crate::clickhouse::{Client, Error};

/// The tables; each has a dictionary of the same name with `_dictionary` behind it.
pub const TABLES: [&str; 6] = ["as_names", "protocols", "services", "exporters", "interfaces", "networks"];

/// Replaces the rows of one of [`TABLES`]. Who reads it sees the old rows or the new ones.
///
/// # Errors
/// What ClickHouse answers; the old rows are still there then, unless only the dictionary was not loaded: that is the second.
pub async fn fill(client: &Client, table: &'static str, rows: &Rows) -> Result<Result<(), Error>, Error> {
    // One name, so that what a kill leaves behind is used the next time.
    let staging = format!("{table}_staging");
    client.execute(&format!("CREATE OR REPLACE TABLE {staging} AS {table}")).await?;
    let exchanged = async {
        if rows.count > 0 {
            client
                .execute(&format!("INSERT INTO {staging} SETTINGS async_insert = 0 FORMAT TSV\n{}", rows.tsv))
                .await?;
        }
        client.execute(&format!("EXCHANGE TABLES {staging} AND {table}")).await
    };
    let exchanged = exchanged.await;
    let dropped = client.execute(&format!("DROP TABLE IF EXISTS {staging}")).await;
    exchanged?;
    dropped?;
    Ok(client.execute(&format!("SYSTEM RELOAD DICTIONARY {table}_dictionary")).await)
}
