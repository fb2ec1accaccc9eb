//! A statement's words and where they stand, so that a new statement is the old text with pieces put in.
//!
//! Not here: what statements there are.

use crate::sql_tokens::{Kind, Token, tokens};

/// Goes through a statement from word to word.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let text = text.trim();
        Self { text, tokens: tokens(text.as_bytes()).collect(), at: 0 }
    }

    /// The whole text.
    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    /// Goes past `words` if they are next, in any case of letters; else stays.
    pub(super) fn take(&mut self, words: &str) -> bool {
        let words: Vec<&str> = words.split(' ').collect();
        let here = self.tokens.get(self.at..self.at + words.len()).unwrap_or_default();
        let found =
            !here.is_empty() && here.iter().zip(&words).all(|(token, word)| token.is(self.text.as_bytes(), word));
        if found {
            self.at += words.len();
        }
        found
    }

    /// Goes past the one sign if it is next.
    pub(super) fn take_sign(&mut self, sign: &str) -> bool {
        let found = self.next().is_some_and(|token| self.text_of(token) == sign);
        self.at += usize::from(found);
        found
    }

    /// Goes past the next token if it is a bare word.
    pub(super) fn word(&mut self) -> Option<&'a str> {
        let token = self.next().filter(|token| token.kind == Kind::Word)?;
        self.at += 1;
        Some(self.text_of(token))
    }

    /// Goes past the bare name of a table or another thing of ours: of no other database, and not quoted.
    pub(super) fn name(&mut self) -> Result<&'a str, String> {
        let Some(name) = self.word() else {
            return Err(format!("there is no bare name at `{:.30}`", self.rest().trim_start()));
        };
        if self.next().is_some_and(|token| self.text_of(token) == ".") {
            return Err(format!("`{name}` names a database: tables of ours are written without"));
        }
        Ok(name)
    }

    /// Goes past what is in parentheses; what is inside them, or nothing where there are none.
    pub(super) fn parentheses(&mut self) -> Option<&'a str> {
        let open = self.next().filter(|token| token.kind == Kind::Open)?;
        let mut depth = 0_usize;
        while let Some(token) = self.next() {
            self.at += 1;
            match token.kind {
                Kind::Open => depth += 1,
                Kind::Close => depth -= 1,
                Kind::Word | Kind::Quoted | Kind::Semicolon | Kind::Other => {}
            }
            if depth == 0 {
                return Some(&self.text[open.end..token.start]);
            }
        }
        None
    }

    /// Whether parentheses are next.
    pub(super) fn parentheses_follow(&self) -> bool {
        self.next().is_some_and(|token| token.kind == Kind::Open)
    }

    /// Goes to `word` outside parentheses, or to the end; whether it is there.
    pub(super) fn seek(&mut self, word: &str) -> bool {
        while let Some(token) = self.next() {
            if token.is(self.text.as_bytes(), word) {
                return true;
            }
            if self.parentheses().is_none() {
                self.at += 1;
            }
        }
        false
    }

    /// Goes past the next token; its text.
    pub(super) fn any(&mut self) -> Option<&'a str> {
        let token = self.next()?;
        self.at += 1;
        Some(self.text_of(token))
    }

    /// Where the next token begins, in bytes.
    pub(super) fn begin(&self) -> usize {
        self.next().map_or(self.text.len(), |token| token.start)
    }

    /// Where the last token ended, in bytes.
    pub(super) fn end(&self) -> usize {
        self.at.checked_sub(1).and_then(|last| self.tokens.get(last)).map_or(0, |token| token.end)
    }

    /// What follows the last token.
    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.end()..]
    }

    /// The parts of a list, cut at the commas outside parentheses.
    pub(super) fn list(text: &str) -> Vec<&str> {
        let mut depth = 0_usize;
        let mut begin = 0;
        let mut parts = Vec::new();
        for token in tokens(text.as_bytes()) {
            match token.kind {
                Kind::Open => depth += 1,
                Kind::Close => depth = depth.saturating_sub(1),
                Kind::Other if depth == 0 && &text[token.start..token.end] == "," => {
                    parts.push(text[begin..token.start].trim());
                    begin = token.end;
                }
                Kind::Word | Kind::Quoted | Kind::Semicolon | Kind::Other => {}
            }
        }
        parts.push(text[begin..].trim());
        parts
    }

    fn next(&self) -> Option<Token> {
        self.tokens.get(self.at).copied()
    }

    fn text_of(&self, token: Token) -> &'a str {
        &self.text[token.start..token.end]
    }
}
