//! What is refused before it is parsed: text that is too long, too deep or of a kind on which the parser would take very long (its
//! grammar tries each `(` and `case` twice, so nesting that does not close costs double a level). Looks at tokens only.

use brush_parser::{
    ParserOptions, Token, TokenizerError, TokenizerOptions, ast, parse_tokens, uncached_tokenize_str,
};

use super::path::{HOME, UNKNOWN};

/// How large a command may be. Beyond is unreadable, and what is unreadable is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of the text.
    pub bytes: usize,
    /// Of commands within commands: `bash -c`, `$(…)`, functions that are called.
    pub nesting: usize,
    /// Simple commands, those in nested text included.
    pub commands: usize,
    /// What one word may become by braces and variables.
    pub words: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 64 * 1024, nesting: 16, commands: 512, words: 256 }
    }
}

/// Why a command cannot be read. It may not pass unasked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Characters that no command needs and a terminal may hide.
    #[error("it has a control character")]
    Control,
    /// Not a command of the shell, as far as the parser understands.
    #[error("it does not parse: {0}")]
    Syntax(String),
    /// Nested too deeply.
    #[error("it is nested too deeply")]
    TooDeep,
    /// More text than is looked at.
    #[error("it is longer than {0} bytes")]
    TooLong(usize),
    /// More commands or words than are looked at.
    #[error("it has too many commands or words")]
    TooMany,
}

/// How deep brackets may be, all kinds together; ordinary text in a here-document counts, too.
const BRACKETS: usize = 64;
/// The steps that nested `(` and `case` may cost the parser at worst, in tokens.
const WORK: usize = 1 << 18;

/// Text from outside: no marks of our own, no control characters.
pub(super) fn admit(text: &str, limits: &Limits) -> Result<(), Unreadable> {
    if text.len() > limits.bytes {
        return Err(Unreadable::TooLong(limits.bytes));
    }
    let bad = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r');
    if text.chars().any(bad) { Err(Unreadable::Control) } else { Ok(()) }
}

/// Text to the tree of the shell's grammar.
pub(super) fn parse(text: &str) -> Result<ast::Program, Unreadable> {
    brackets(text)?;
    let options = ParserOptions::default();
    let tokenized = |text: &str| uncached_tokenize_str(text, &tokenizer_options(&options));
    let mut tokens = match tokenized(text) {
        // A shell takes the end of the text for the end of a here-document. Inside brackets the tokenizer cannot.
        Err(TokenizerError::UnterminatedHereDocuments(tags, places))
            if !text.contains(['(', '`']) && !text.contains("${") =>
        {
            // Only behind the end of the line is it known which ones are open.
            let mut ended = format!("{text}\n");
            if let Err(TokenizerError::UnterminatedHereDocuments(tags, _)) = tokenized(&ended) {
                for tag in tags.split(", ") {
                    ended.extend([tag.trim_matches(['\'', '"', '\\']), "\n"]);
                }
            }
            tokenized(&ended).map_err(|_| TokenizerError::UnterminatedHereDocuments(tags, places))
        }
        other => other,
    }
    .map_err(|error| Unreadable::Syntax(short(&error.to_string())))?;
    select_as_for(&mut tokens);
    cost(&tokens)?;
    parse_tokens(&tokens, &options).map_err(|error| Unreadable::Syntax(short(&error.to_string())))
}

/// `select` is written as `for` and runs its commands for some of the values, in any order. The grammar knows only the other.
fn select_as_for(tokens: &mut [Token]) {
    let mut begins = true;
    for token in tokens {
        match token {
            Token::Operator(text, _) => begins = !text.starts_with(['<', '>']),
            Token::Word(text, _) => {
                if begins && text == "select" {
                    "for".clone_into(text);
                }
                begins = matches!(
                    text.as_str(),
                    "!" | "{" | "do" | "elif" | "else" | "if" | "then" | "time" | "until" | "while"
                );
            }
        }
    }
}

fn tokenizer_options(options: &ParserOptions) -> TokenizerOptions {
    options.tokenizer_options()
}

/// The tokenizer calls itself for each `$(`, `${` and backtick.
fn brackets(text: &str) -> Result<(), Unreadable> {
    let (mut depth, mut square) = (0_usize, 0_usize);
    for byte in text.bytes() {
        match byte {
            b'(' | b'{' => depth += 1,
            b')' | b'}' => depth = depth.saturating_sub(1),
            // The index of an array is a word again.
            b'[' => square += 1,
            b']' => square = square.saturating_sub(1),
            _ => {}
        }
        if depth.max(square) > BRACKETS {
            return Err(Unreadable::TooDeep);
        }
    }
    Ok(())
}

fn cost(tokens: &[Token]) -> Result<(), Unreadable> {
    let (mut depth, mut work) = (0_u32, 0_usize);
    // The parser calls itself for each keyword that opens something, and for each of a row of prefixes.
    let (mut open, mut prefixes) = (0_usize, 0_usize);
    let mut tests = false;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Operator(text, _) if text == "(" => depth += 1,
            Token::Operator(text, _) if text == ")" => depth = depth.saturating_sub(1),
            // In `[[ … ]]` each `&&` is one level more.
            Token::Operator(_, _) if tests => prefixes += 1,
            Token::Operator(_, _) => prefixes = 0,
            Token::Word(text, _) => match text.as_str() {
                "if" | "while" | "until" | "for" | "select" | "{" => open += 1,
                "fi" | "done" | "}" => open = open.saturating_sub(1),
                "[[" => {
                    open += 1;
                    tests = true;
                }
                "]]" => {
                    open = open.saturating_sub(1);
                    tests = false;
                }
                "!" | "time" | "coproc" | "function" | "-p" => prefixes += 1,
                "case" => {
                    open += 1;
                    depth += 2;
                }
                "esac" => {
                    open = open.saturating_sub(1);
                    depth = depth.saturating_sub(2);
                }
                // A number before `<` or `>` is a descriptor; the parser takes any number of digits to fit.
                digits if digits.len() > 9 && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                    if let Some(Token::Operator(next, _)) = tokens.get(at + 1)
                        && next.starts_with(['<', '>'])
                    {
                        return Err(Unreadable::Syntax("a descriptor too large".to_owned()));
                    }
                }
                _ => {}
            },
        }
        work = work.saturating_add(1_usize.checked_shl(depth).unwrap_or(usize::MAX));
        if work > WORK || open + prefixes > BRACKETS {
            return Err(Unreadable::TooDeep);
        }
    }
    Ok(())
}

fn short(text: &str) -> String {
    let clean: String = text.chars().filter(|c| !matches!(*c, UNKNOWN | HOME)).take(160).collect();
    clean
}
