//! A table, replaced as a whole: written beside the old one, exchanged for it, its dictionary loaded again.

use super::content::Rows;
use crate::clickhouse::{Client, Error};

/// The tables; each has a dictionary of the same name with `_dictionary` behind it.
pub const TABLES: [&str; 6] = ["as_names", "protocols", "services", "exporters", "interfaces", "networks"];

/// Replaces the rows of one of [`TABLES`]. Who reads it sees the old rows or the new ones.
///
/// # Errors
/// What ClickHouse answers; the old rows are still there then, unless only the dictionary was not loaded: that is the second.
///
/// In a cluster, where a table is one on each server, there is nothing to exchange: the rows are gone for a moment. Its
/// dictionary has the old ones meanwhile.
pub async fn fill(client: &Client, table: &'static str, rows: &Rows) -> Result<Result<(), Error>, Error> {
    if client.settings().cluster.is_some() {
        client.change(&format!("TRUNCATE TABLE {table}")).await?;
        insert(client, &client.settings().table_of_rows(table), rows).await?;
    } else {
        exchange(client, table, rows).await?;
    }
    Ok(client.change(&format!("SYSTEM RELOAD DICTIONARY {table}_dictionary")).await)
}

async fn exchange(client: &Client, table: &'static str, rows: &Rows) -> Result<(), Error> {
    // One name, so that what a kill leaves behind is used the next time.
    let staging = format!("{table}_staging");
    client.execute(&format!("CREATE OR REPLACE TABLE {staging} AS {table}")).await?;
    let exchanged = async {
        insert(client, &staging, rows).await?;
        client.execute(&format!("EXCHANGE TABLES {staging} AND {table}")).await
    };
    let exchanged = exchanged.await;
    let dropped = client.execute(&format!("DROP TABLE IF EXISTS {staging}")).await;
    exchanged?;
    dropped
}

async fn insert(client: &Client, table: &str, rows: &Rows) -> Result<(), Error> {
    if rows.count == 0 {
        return Ok(());
    }
    client.execute(&format!("INSERT INTO {table} SETTINGS async_insert = 0 FORMAT TSV\n{}", rows.tsv)).await
}
