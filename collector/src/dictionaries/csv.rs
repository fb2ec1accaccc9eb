//! Lines of fields: comma-separated, fields in double quotes where they hold commas or quotes (RFC 4180, without line ends inside of
//! fields). Empty lines and lines that begin with `#` are skipped.

/// The lines of a text that have fields, each with its number from 1.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (usize, Result<Vec<String>, &'static str>)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let numbered = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    numbered.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).map(|(number, line)| (number, fields(line)))
}

/// The fields of a line, without the blanks around them.
fn fields(line: &str) -> Result<Vec<String>, &'static str> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        rest = rest.trim_start();
        let Some(quoted) = rest.strip_prefix('"') else {
            let (field, behind) = rest.split_once(',').map_or((rest, None), |(field, behind)| (field, Some(behind)));
            fields.push(field.trim_end().to_owned());
            let Some(behind) = behind else { return Ok(fields) };
            rest = behind;
            continue;
        };
        let mut field = String::new();
        let mut inside = quoted;
        loop {
            let (text, behind) =
                inside.split_once('"').ok_or("a field begins with a double quote that nothing ends")?;
            field.push_str(text);
            inside = behind;
            // A quote inside of quotes is written twice.
            let Some(behind) = inside.strip_prefix('"') else { break };
            field.push('"');
            inside = behind;
        }
        fields.push(field);
        inside = inside.trim_start();
        if inside.is_empty() {
            return Ok(fields);
        }
        rest = inside.strip_prefix(',').ok_or("a quoted field is followed by something else than a comma")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read() {
        for (line, expected) in [
            ("1,one", Ok(vec!["1", "one"])),
            (" 1 , one two ,", Ok(vec!["1", "one two", ""])),
            (r#"1,"one, ""two""" , 3"#, Ok(vec!["1", "one, \"two\"", "3"])),
            (r#""""#, Ok(vec![""])),
            (r#"1,"one"#, Err("a field begins with a double quote that nothing ends")),
            (r#""one" two"#, Err("a quoted field is followed by something else than a comma")),
        ] {
            let expected = expected.map(|fields| fields.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(fields(line), expected, "{line}");
        }
    }

    #[test]
    fn lines_keep_their_numbers() {
        let numbers: Vec<usize> = lines("\u{feff}# head\r\n1,a\r\n\r\n2,b").map(|(number, _)| number).collect();
        assert_eq!(numbers, [2, 4]);
    }
}
