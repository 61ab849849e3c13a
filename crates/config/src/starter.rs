//! The file that `config init` writes: short, commented, valid as it stands.

/// Which starter file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Profile {
    /// Everything by default, with the usual first changes as comments.
    Minimal,
}

impl Profile {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Minimal => "minimal",
        }
    }
}

/// The text of a starter file.
pub fn starter(profile: Profile) -> &'static str {
    match profile {
        Profile::Minimal => include_str!("starter/minimal.yaml"),
    }
}
