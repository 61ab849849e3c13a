//! What a command does, as facts: it reads that path, sends to that host, deletes this, runs what it has fetched. Facts name effects,
//! never programs, so that a rule about secrets that leave holds for `curl`, `scp` and a line of Python alike. They are read off the
//! command; nothing is run and no file is looked at.

use super::path::Path;

/// One effect of one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// Asks a store of credentials (a keyring, a vault, a token command) to show one. Holds which.
    Credential(String),
    /// Deletes, or overwrites so that it is lost.
    Deletes {
        /// What goes.
        path: Path,
        /// With all below it.
        recursive: bool,
        /// Without asking.
        forced: bool,
    },
    /// Writes to a device or changes a file system or a partition as a whole.
    Device {
        /// The device, as named.
        path: Path,
        /// What is done to it, as a clause.
        act: &'static str,
    },
    /// Reads the environment, where keys lie.
    Environment,
    /// Hides what it does, or switches off what would show it. Holds how, as a clause.
    Evades(&'static str),
    /// Runs something that is not in the command.
    Executes(Code),
    /// Starts copies of itself without end.
    ForkBomb,
    /// Changes a repository.
    Git(Git),
    /// Opens a way in or out by hand: a listening shell, a shell over a socket, a tunnel. Holds which.
    Shell(&'static str),
    /// Talks to another machine.
    Network {
        /// Which way the data goes.
        direction: Direction,
        /// The other machine, or the address as far as it is known.
        host: String,
    },
    /// Changes who may do what to a path.
    Permissions {
        /// Whose rights.
        path: Path,
        /// With all below it.
        recursive: bool,
        /// Everybody may write.
        open: bool,
    },
    /// Stays after the session. Holds how, as a clause.
    Persists(&'static str),
    /// Takes or gives rights beyond the user's. Holds how, as a clause.
    Privilege(&'static str),
    /// Ends processes.
    Process {
        /// Names, numbers or patterns, as given.
        target: String,
    },
    /// Reads the content of a path, so that it goes where the command's output goes.
    Reads {
        /// What is read.
        path: Path,
        /// With all below it.
        recursive: bool,
    },
    /// Leads the calls of a client to another place than the gateway. Holds the variable.
    Reroutes(String),
    /// Changes something in a service: a cloud, a database, a cluster, a registry.
    Service {
        /// The service or its tool.
        service: String,
        /// What is done, as the command has it.
        act: String,
        /// How much is lost.
        loss: Loss,
    },
    /// Stops or restarts the machine, or a service on it. Holds which.
    Stops(String),
    /// Gives a path to a program that opens it and shows nothing of it (a key for a login, a list of variables).
    Uses {
        /// What is opened.
        path: Path,
    },
    /// Writes or makes a file.
    Writes {
        /// Where to.
        path: Path,
        /// What is there stays.
        appends: bool,
    },
}

/// Where code that a command runs comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// From another machine.
    Downloaded,
    /// From text that was hidden by an encoding.
    Decoded,
    /// A script or a program by its path.
    File,
    /// From whatever the command before it writes.
    Input,
    /// From a value that is not known before it runs.
    Unknown,
}

/// Which way data goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Both ways, as a socket has it.
    Both,
    /// To here.
    Download,
    /// From here.
    Upload,
}

/// What happens to a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Git {
    /// A branch is deleted although it is not merged.
    BranchDelete(String),
    /// Files that are not committed go.
    Clean,
    /// What has been changed and not committed goes.
    Discard,
    /// What could bring lost commits back goes.
    Expire,
    /// Branches are pushed over what is there.
    ForcePush {
        /// The branches, where named.
        branches: Vec<String>,
        /// Only when nobody has pushed in between.
        lease: bool,
    },
    /// Past commits are written anew.
    History,
    /// Branches are pushed.
    Push {
        /// The branches, where named.
        branches: Vec<String>,
        /// The remote, when it is an address and not a name.
        address: Option<String>,
    },
    /// Branches or tags are deleted on the remote.
    PushDelete(Vec<String>),
    /// Stashed changes go.
    StashDrop,
}

/// How much is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// One thing, or something that can be made again.
    Some,
    /// All of it, and it does not come back.
    All,
}
