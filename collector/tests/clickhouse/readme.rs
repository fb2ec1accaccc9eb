//! The SQL that the documents show, against the tables that there are.

use collector::clickhouse::schema;

use crate::engine::{Engine, block_on};

const DOCUMENTS: [(&str, &str); 2] = [
    ("README.md", include_str!("../../../README.md")),
    ("deploy/README.md", include_str!("../../../deploy/README.md")),
];

/// The SELECTs of a document: in its blocks, up to the end of the block or of the text that a shell is given, and in its lines
/// between backticks. What has dots in the place of something is no statement.
fn statements(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut block = String::new();
    for line in text.lines().chain([""]) {
        let code = line.strip_prefix("    ").map(str::trim);
        match code {
            Some(code) if code.starts_with("SELECT ") || !block.is_empty() => {
                let end = code.find("\" http").unwrap_or(code.len());
                block.push_str(&code[..end]);
                block.push('\n');
            }
            Some(_) => {}
            None => found.extend(Some(std::mem::take(&mut block)).filter(|block| !block.is_empty())),
        }
    }
    let prose: String =
        text.lines().filter(|line| !line.starts_with("    ")).flat_map(|line| [line.trim(), " "]).collect();
    let inline = prose.split('`').filter(|code| code.starts_with("SELECT "));
    found.extend(inline.map(str::to_owned));
    found.retain(|statement| !statement.contains("..."));
    found
}

#[test]
fn the_sql_of_the_documents_is_answered() {
    let Some(engine) = Engine::start() else { return };
    let client = engine.client(&engine.settings("collector"));
    block_on(async {
        schema::apply(&client).await.unwrap();
        for (name, text) in DOCUMENTS {
            let statements = statements(text);
            assert!(!statements.is_empty(), "{name}");
            for statement in statements {
                let answered = client.query(&statement, "TSV").await;
                assert!(answered.is_ok(), "{name}: {statement}: {}", answered.unwrap_err());
            }
        }
    });
}
