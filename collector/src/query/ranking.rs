//! The most of something: hosts, AS pairs, countries, services, networks, interfaces, with their shares of all of it.

use super::choice::Choice;
use super::dimension::Dimension;
use super::filter::Filter;
use super::flows::{SUMS, Shares, sum, sum_if};
use super::names::Names;
use super::question::{Grouping, Question, Request, Span};
use super::statement::{Column, Kind, Parameters, Statement, whole_seconds};

/// The statement for a ranking.
pub(super) fn statement(request: &Request, choice: &Choice, names: Names) -> Statement {
    let mut parameters = Parameters::default();
    let dimensions = request.question.dimensions();
    let by_interface = request.question == Question::Interfaces;
    let from = source(request, choice, &dimensions, &mut parameters);
    let keys: Vec<&str> = dimensions.iter().map(|dimension| key(*dimension, choice)).collect();
    let sums = if by_interface {
        interface_sums()
    } else {
        SUMS.map(|name| format!("{} AS {name}", sum(&format!("t.{name}")))).join(", ")
    };
    let measure = request.measure.column();
    let order = if by_interface { format!("(in_{measure} + out_{measure})") } else { measure.to_owned() };
    // For percents alone: a sum over all groups need not be exact, but must not begin again at 0.
    let share = match by_interface {
        true => String::new(),
        false => format!(", sum(toFloat64(sum(toUInt128(t.{measure})))) OVER () AS all_{measure}"),
    };
    let any = if by_interface {
        "in_bytes != 0 OR in_flows != 0 OR out_bytes != 0 OR out_flows != 0".to_owned()
    } else {
        SUMS.map(|sum| format!("{sum} != 0")).join(" OR ")
    };
    let group = dimensions.iter().map(|dimension| dimension.column()).collect::<Vec<_>>().join(", ");
    let limit = parameters.put("limit", "UInt64", request.limit);
    let length = parameters.put("seconds", "Float64", choice.covered.span.length_ms() as f64 / 1000.0);
    let columns = columns(&dimensions, by_interface);
    let shown: Vec<String> = columns.iter().map(|column| shown(*column, measure, &length, names)).collect();
    let sql = format!(
        "SELECT\n    {}\nFROM\n(\n    SELECT {}, {sums}{share}\n    FROM {from}\n    GROUP BY {group}\n    HAVING {any}\n    \
         ORDER BY {order} DESC, {group}\n    LIMIT {limit}\n)\nORDER BY {order} DESC, {group}",
        shown.join(",\n    "),
        keys.join(", "),
    );
    Statement { sql, parameters: parameters.0, columns }
}

/// The table, or the subquery, that is added up; its alias is `t`.
fn source(request: &Request, choice: &Choice, dimensions: &[Dimension], parameters: &mut Parameters) -> String {
    let by_interface = dimensions.contains(&Dimension::Interface);
    if choice.table.is_flows() {
        // Both from one join, so that name and direction belong to the interface.
        let sides = [
            "arrayJoin([(f.in_if, f.in_if_name, 'in'), (f.out_if, f.out_if_name, 'out')]) AS side",
            "side.1 AS if_index",
            "side.2 AS if_name",
            "side.3 AS direction",
        ];
        let dimensions: Vec<Dimension> =
            dimensions.iter().copied().filter(|dimension| *dimension != Dimension::Interface).collect();
        let more = if by_interface { &sides[..] } else { &[] };
        let Request { filters, implausible, .. } = request;
        let (span, implausible) = (choice.span, *implausible);
        let shares = Shares { dimensions: &dimensions, more, filters, implausible, span, interval_ms: None };
        return shares.sql(parameters) + " AS t";
    }
    let conditions = conditions(&request.filters, choice.span, choice.table.time, parameters);
    let side = match request.question {
        Question::Top(Grouping::Src) => " AND t.direction = 'sent' AND t.address != toIPv6('::')",
        Question::Top(Grouping::Dst) => " AND t.direction = 'received' AND t.address != toIPv6('::')",
        Question::Top(Grouping::Both) => " AND t.address != toIPv6('::')",
        Question::Interfaces
        | Question::Interface { .. }
        | Question::Host { .. }
        | Question::Nat { .. }
        | Question::As(_)
        | Question::Countries(_)
        | Question::Services
        | Question::Networks(_)
        | Question::Exporters => "",
    };
    format!("{} AS t\n    WHERE {conditions}{side}", choice.table.name)
}

/// The conditions of a request on a rollup `t`.
pub(super) fn conditions(filters: &[Filter], span: Span, time: &str, parameters: &mut Parameters) -> String {
    let from = parameters.put("from", "DateTime('UTC')", whole_seconds(span.from_ms));
    let to = parameters.put("to", "DateTime('UTC')", whole_seconds(span.to_ms));
    let mut text = format!("t.{time} >= {from} AND t.{time} < {to}");
    for filter in filters {
        text.push_str(" AND ");
        text.push_str(&filter.sql(parameters, |dimension| format!("t.{}", dimension.column())));
    }
    text
}

/// A dimension as it is selected from `t`. Tops of hosts come under the name of their end, whatever the table calls it.
fn key(dimension: Dimension, choice: &Choice) -> &'static str {
    if choice.table.is_exact {
        return dimension.column();
    }
    if dimension == Dimension::SrcAddress {
        return "t.address AS src_addr";
    }
    if dimension == Dimension::DstAddress { "t.address AS dst_addr" } else { dimension.column() }
}

fn interface_sums() -> String {
    let mut sums = vec!["anyIf(t.if_name, t.if_name != '') AS announced_name".to_owned()];
    for direction in ["in", "out"] {
        let is_direction = format!("t.direction = '{direction}'");
        sums.extend(SUMS.map(|sum| format!("{} AS {direction}_{sum}", sum_if(&format!("t.{sum}"), &is_direction))));
    }
    sums.join(", ")
}

fn columns(dimensions: &[Dimension], by_interface: bool) -> Vec<Column> {
    let column = |name, kind| Column { name, kind };
    let mut columns: Vec<Column> = dimensions.iter().flat_map(|dimension| of_dimension(*dimension)).collect();
    if by_interface {
        for (name, kind) in [
            ("in_bits_per_second", Kind::BitRate),
            ("out_bits_per_second", Kind::BitRate),
            ("in_bytes", Kind::Bytes),
            ("out_bytes", Kind::Bytes),
            ("in_packets", Kind::Count),
            ("out_packets", Kind::Count),
            ("in_flows", Kind::Count),
            ("out_flows", Kind::Count),
        ] {
            columns.push(column(name, kind));
        }
        return columns;
    }
    columns.extend([
        column("bytes", Kind::Bytes),
        column("packets", Kind::Count),
        column("flows", Kind::Count),
        column("bits_per_second", Kind::BitRate),
        column("percent", Kind::Percent),
    ]);
    columns
}

/// The columns that show a dimension: itself, and its name.
fn of_dimension(dimension: Dimension) -> Vec<Column> {
    let column = |name, kind| Column { name, kind };
    let own = |kind| column(dimension.column(), kind);
    match dimension {
        Dimension::Exporter => vec![own(Kind::Address), column("exporter_name", Kind::Text)],
        Dimension::Interface => vec![own(Kind::Number), column("if_name", Kind::Text)],
        Dimension::Host | Dimension::SrcAddress | Dimension::DstAddress => vec![own(Kind::Address)],
        Dimension::Protocol => vec![own(Kind::Number), column("protocol_name", Kind::Text)],
        Dimension::ServicePort => vec![own(Kind::Number), column("service_name", Kind::Text)],
        Dimension::SrcAs => vec![own(Kind::Number), column("src_as_name", Kind::Text)],
        Dimension::DstAs => vec![own(Kind::Number), column("dst_as_name", Kind::Text)],
        Dimension::InInterface | Dimension::OutInterface | Dimension::SrcPort | Dimension::DstPort => {
            vec![own(Kind::Number)]
        }
        Dimension::SrcCountry
        | Dimension::DstCountry
        | Dimension::SrcNetwork
        | Dimension::DstNetwork
        | Dimension::SrcCustomer
        | Dimension::DstCustomer => vec![own(Kind::Text)],
    }
}

/// A column of the answer over those of the inner select.
fn shown(column: Column, measure: &str, length: &str, names: Names) -> String {
    let rate = |bytes: &str| format!("toFloat64({bytes}) * 8 / {length} AS {}", column.name);
    match column.name {
        "bits_per_second" => rate("bytes"),
        "in_bits_per_second" => rate("in_bytes"),
        "out_bits_per_second" => rate("out_bytes"),
        "percent" => format!("if(all_{measure} = 0, 0, toFloat64({measure}) * 100 / all_{measure}) AS percent"),
        "exporter_name" => format!("{} AS exporter_name", names.exporter("exporter_address")),
        "if_name" => {
            let configured = names.interface("exporter_address", "if_index");
            format!("if({configured} != '', {configured}, announced_name) AS if_name")
        }
        "protocol_name" => format!("{} AS protocol_name", names.protocol("protocol")),
        "service_name" => format!("{} AS service_name", names.service("protocol", "port")),
        "src_as_name" => format!("{} AS src_as_name", names.autonomous_system("src_as")),
        "dst_as_name" => format!("{} AS dst_as_name", names.autonomous_system("dst_as")),
        other => other.to_owned(),
    }
}
