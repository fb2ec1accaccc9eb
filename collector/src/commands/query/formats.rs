//! CSV and JSON: plain numbers under the columns' names, nothing else on standard output.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::told;
use crate::query::{Answer, Cell, Plan, Request, Waiting};

/// One object: what was asked of which table, and `rows`, an array of objects.
pub(super) fn json(
    answer: &Answer,
    request: &Request,
    plan: &Plan,
    waiting: &[Waiting],
    out: &mut impl Write,
) -> io::Result<()> {
    let rows: Vec<Value> = answer
        .rows
        .iter()
        .map(|row| {
            let cells = answer.columns.iter().zip(row).map(|(column, cell)| (column.name.to_owned(), value(cell)));
            Value::Object(cells.collect::<Map<_, _>>())
        })
        .collect();
    let whole = json!({
        "question": request.question.name(),
        "table": plan.choice.table.name,
        "exact": plan.choice.table.is_exact,
        "from": told::time(plan.choice.span.from_ms),
        "to": told::time(plan.choice.span.to_ms),
        "covered": {
            "from": told::time(plan.choice.covered.span.from_ms),
            "to": told::time(plan.choice.covered.span.to_ms),
            "seconds": plan.choice.covered.span.length_ms() as f64 / 1000.0,
        },
        "told": told::lines(request, plan, answer, waiting),
        "rows_read": answer.rows_read,
        "seconds": answer.seconds,
        "rows": rows,
    });
    serde_json::to_writer(&mut *out, &whole)?;
    writeln!(out)
}

fn value(cell: &Cell) -> Value {
    match cell {
        Cell::Nothing => Value::Null,
        Cell::Whole(number) => json!(number),
        Cell::Real(number) => json!(number),
        Cell::Address(address) => json!(address.to_string()),
        Cell::Text(text) => json!(text),
    }
}

/// A line of names, then a line for each row (RFC 4180, lines ended by LF).
pub(super) fn csv(answer: &Answer, out: &mut impl Write) -> io::Result<()> {
    let names: Vec<&str> = answer.columns.iter().map(|column| column.name).collect();
    writeln!(out, "{}", names.join(","))?;
    for row in &answer.rows {
        let cells: Vec<String> = row.iter().map(field).collect();
        writeln!(out, "{}", cells.join(","))?;
    }
    Ok(())
}

fn field(cell: &Cell) -> String {
    let text = match cell {
        Cell::Nothing => String::new(),
        Cell::Whole(number) => number.to_string(),
        Cell::Real(number) => number.to_string(),
        Cell::Address(address) => address.to_string(),
        Cell::Text(text) => text.clone(),
    };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::{Column, Kind};

    #[test]
    fn fields_that_need_quotes_have_them() {
        let columns = vec![Column { name: "a", kind: Kind::Text }, Column { name: "b", kind: Kind::Count }];
        let rows = vec![
            vec![Cell::Text("plain".to_owned()), Cell::Whole(7)],
            vec![Cell::Text("a \"b\", c\nd".to_owned()), Cell::Nothing],
        ];
        let mut out = Vec::new();
        csv(&Answer { columns, rows, rows_read: 0, seconds: 0.0 }, &mut out).expect("memory takes it");
        assert_eq!(String::from_utf8(out).expect("text"), "a,b\nplain,7\n\"a \"\"b\"\", c\nd\",\n");
    }
}
