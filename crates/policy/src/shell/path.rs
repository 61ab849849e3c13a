//! A path as a command names it, before it is known where the command runs. Home and values that only a running shell knows are kept
//! as marks, so that `"$X"/*` is seen to be the root when `X` is empty.

use crate::paths;

/// Stands for what is not known before the command runs.
pub(crate) const UNKNOWN: char = '\u{1a}';
/// Stands for the home directory.
pub(crate) const HOME: char = '\u{11}';

/// A path of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path(String);

impl Path {
    /// From the text of a word; relative ones are put below `cwd`, where the script has changed into it.
    pub(super) fn new(text: &str, cwd: Option<&str>) -> Self {
        let text = text.strip_prefix("file://").unwrap_or(text);
        let joined = match cwd {
            Some(cwd) if !text.starts_with(['/', HOME]) => format!("{cwd}/{text}"),
            Some(_) | None => text.to_owned(),
        };
        let plain = !joined.contains("//") && !joined.contains("/.") && !joined.starts_with("./");
        let clean = plain && !joined.is_empty() && (joined.len() == 1 || !joined.ends_with('/'));
        Self(if clean { joined } else { tidy(&joined) })
    }

    /// The path with marks for home and for what is not known.
    pub(crate) fn raw(&self) -> &str {
        &self.0
    }

    /// For people: `~` for home, `…` for what is not known.
    pub fn shown(&self) -> String {
        shown(&self.0)
    }

    /// Whether all of it is a value that is not known.
    pub fn unknown(&self) -> bool {
        self.0.chars().all(|c| c == UNKNOWN) && !self.0.is_empty()
    }

    /// Home, its own directory included.
    pub fn in_home(&self) -> bool {
        self.0.starts_with(HOME)
    }

    /// From the root of the file system on.
    pub fn absolute(&self) -> bool {
        self.0.starts_with('/')
    }

    /// The last part.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

/// Home counts as a part that `..` takes away: what is above it is `/home`.
fn tidy(text: &str) -> String {
    if let Some(rest) = text.strip_prefix(HOME) {
        let below = paths::lexical(rest.trim_start_matches('/'));
        return match below.as_str() {
            "." => HOME.to_string(),
            ".." => "/home".to_owned(),
            up if up.starts_with("../..") => paths::lexical(&format!("/{}", up.trim_start_matches("../"))),
            up if up.starts_with("../") => format!("/home/{}", up.trim_start_matches("../")),
            below => format!("{HOME}/{below}"),
        };
    }
    paths::lexical(text)
}

/// For people: `~` for home, `…` for what is not known.
pub(crate) fn shown(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c == HOME {
                '~'
            } else if c == UNKNOWN {
                '…'
            } else {
                c
            }
        })
        .collect()
}

/// Where a command runs, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The directory it starts in.
    pub cwd: Option<String>,
    /// The user's home.
    pub home: Option<String>,
}

impl Place {
    /// The path for people, from the root on as far as the place is known.
    pub(crate) fn shown(&self, path: &Path) -> String {
        shown(&self.resolve(path))
    }

    /// The path from the root on, as far as the place is known; home stays a mark where it is not.
    pub(crate) fn resolve(&self, path: &Path) -> String {
        let raw = path.raw();
        match (raw.strip_prefix(HOME), &self.home, &self.cwd) {
            (Some(rest), Some(home), _) => paths::lexical(&format!("{home}/{rest}")),
            (None, _, Some(cwd)) if !raw.starts_with('/') && !raw.starts_with(UNKNOWN) => {
                paths::lexical(&format!("{cwd}/{raw}"))
            }
            (Some(_) | None, _, _) => raw.to_owned(),
        }
    }
}
