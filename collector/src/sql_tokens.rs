//! ClickHouse's lexical rules, coarsely: words, quoted things, parentheses, semicolons; comments and blanks are skipped.
//!
//! Not here: what the words mean. The rules follow ClickHouse's `src/Parsers/Lexer.cpp`.

/// What kind of token it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A bare word: identifier, keyword or number.
    Word,
    /// A string, a quoted identifier, or a heredoc.
    Quoted,
    /// `(`, `[` or `{`.
    Open,
    /// `)`, `]` or `}`.
    Close,
    /// `;`.
    Semicolon,
    /// Operators and the rest.
    Other,
}

/// A token: a range of bytes of the text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Token {
    /// Whether it is the bare word `word`, in any case of letters.
    pub(crate) fn is(&self, text: &[u8], word: &str) -> bool {
        self.kind == Kind::Word && text[self.start..self.end].eq_ignore_ascii_case(word.as_bytes())
    }

    /// Its text.
    pub(crate) fn text(&self, text: &[u8]) -> String {
        String::from_utf8_lossy(&text[self.start..self.end]).into_owned()
    }
}

/// The tokens of `text`, read as they are asked for, so that binary data behind a statement is never looked at.
pub(crate) fn tokens(text: &[u8]) -> impl Iterator<Item = Token> {
    let mut at = 0;
    std::iter::from_fn(move || {
        at = skip_blanks(text, at);
        let start = at;
        let first = *text.get(at)?;
        let kind;
        (kind, at) = match first {
            b'\'' | b'"' | b'`' => (Kind::Quoted, end_of_quoted(text, at + 1, first)),
            b'$' => match end_of_heredoc(text, at) {
                Some(end) => (Kind::Quoted, end),
                None => (Kind::Other, at + 1),
            },
            b'(' | b'[' | b'{' => (Kind::Open, at + 1),
            b')' | b']' | b'}' => (Kind::Close, at + 1),
            b';' => (Kind::Semicolon, at + 1),
            byte if is_word(byte) => (Kind::Word, end_of(text, at, is_word)),
            _ => (Kind::Other, at + 1),
        };
        Some(Token { kind, start, end: at })
    })
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$'
}

fn end_of(text: &[u8], from: usize, belongs: impl Fn(u8) -> bool) -> usize {
    text[from..].iter().position(|&byte| !belongs(byte)).map_or(text.len(), |count| from + count)
}

fn skip_blanks(text: &[u8], mut at: usize) -> usize {
    loop {
        at = end_of(text, at, |byte| byte.is_ascii_whitespace() || byte == b'\x0b');
        let rest = &text[at..];
        let comment_end = if rest.starts_with(b"--") || rest.starts_with(b"#!") || rest.starts_with(b"# ") {
            end_of(text, at, |byte| byte != b'\n')
        } else if rest.starts_with(b"/*") {
            end_of_block_comment(text, at + 2)
        } else {
            return at;
        };
        at = comment_end;
    }
}

/// Block comments nest.
fn end_of_block_comment(text: &[u8], mut at: usize) -> usize {
    let mut depth = 1_usize;
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else if rest.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else {
            at += 1;
        }
    }
    text.len()
}

/// A backslash takes the next byte with it; a doubled quote is two quoted things in a row, which is as good here.
fn end_of_quoted(text: &[u8], mut at: usize, quote: u8) -> usize {
    while let Some(&byte) = text.get(at) {
        at += match byte {
            b'\\' => 2,
            byte if byte == quote => return at + 1,
            _ => 1,
        };
    }
    text.len()
}

fn end_of_heredoc(text: &[u8], start: usize) -> Option<usize> {
    let name_end = end_of(text, start + 1, |byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let tag = text.get(start..=name_end).filter(|tag| tag.ends_with(b"$"))?;
    let body = text.get(name_end + 1..)?;
    body.windows(tag.len()).position(|window| window == tag).map(|at| name_end + 1 + at + tag.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_comments_and_heredocs_hide_their_words() {
        let cases = [
            ("a 'it''s b' c", vec!["a", "c"]),
            (r"a 'it\'s b' c", vec!["a", "c"]),
            ("a /* b /* c */ d */ e", vec!["a", "e"]),
            ("a -- b\nc # d\ne", vec!["a", "c", "e"]),
            ("a $x$ b $x$ c", vec!["a", "c"]),
            ("a \"b c\" `d e` f", vec!["a", "f"]),
            ("a.b(c)", vec!["a", "b", "c"]),
            ("a 'open", vec!["a"]),
            ("a /* open", vec!["a"]),
            ("\u{fc} a", vec!["a"]),
        ];
        for (text, expected) in cases {
            let words: Vec<_> = tokens(text.as_bytes())
                .filter(|token| token.kind == Kind::Word)
                .map(|token| token.text(text.as_bytes()))
                .collect();
            assert_eq!(words, expected, "{text}");
        }
    }
}
