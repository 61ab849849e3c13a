//! How much the gateway writes into its log, changeable while it runs.
//!
//! The configuration says the level; somebody who looks for a fault asks for another one for a while, and when that is over the
//! configured one is back. A change costs the calls nothing: callsites are asked anew once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Importance of messages.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Something failed.
    Error,
    /// Something is odd.
    Warn,
    /// What an operator wants to know.
    Info,
    /// What somebody needs who looks for a fault.
    Debug,
    /// Everything.
    Trace,
}

impl Level {
    /// The name that filters use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// How messages look.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// One JSON object per line.
    Json,
    /// For people, with or without colours.
    Text {
        /// Whether with colours.
        colours: bool,
    },
}

/// Which level is in force.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Standing {
    /// What the configuration says.
    pub configured: Level,
    /// What is written.
    pub level: Level,
    /// When the configured one is back; `None` if it is in force, or another one stays.
    pub until: Option<SystemTime>,
}

/// Takes a filter over.
type Apply = Box<dyn Fn(EnvFilter) + Send + Sync>;

/// The log's levels.
#[derive(Clone)]
pub struct Levels(Arc<Inner>);

struct Inner {
    apply: Apply,
    state: Mutex<State>,
}

struct State {
    /// What the environment says in place of the configuration.
    pinned: Option<String>,
    standing: Standing,
    /// Which change the present level comes from.
    turn: u64,
}

impl Levels {
    /// Starts the log of this process, which goes to `writer`. `pinned`: a filter of the environment, which goes before the configured
    /// level. A second start in one process keeps the first log.
    pub fn start(
        configured: Level,
        pinned: Option<String>,
        format: Format,
        writer: impl for<'w> MakeWriter<'w> + Send + Sync + 'static,
    ) -> Self {
        let pinned = pinned.filter(|text| EnvFilter::try_new(text).is_ok());
        let filter = EnvFilter::new(pinned.as_deref().unwrap_or(configured.as_str()));
        let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
        let apply: Apply = match format {
            Format::Json => {
                let builder = builder.json().with_filter_reloading();
                let handle = builder.reload_handle();
                let _ = builder.try_init();
                Box::new(move |filter| drop(handle.reload(filter)))
            }
            Format::Text { colours } => {
                let builder = builder.with_target(false).with_ansi(colours).with_filter_reloading();
                let handle = builder.reload_handle();
                let _ = builder.try_init();
                Box::new(move |filter| drop(handle.reload(filter)))
            }
        };
        Self::over(configured, pinned, apply)
    }

    fn over(configured: Level, pinned: Option<String>, apply: Apply) -> Self {
        let standing = Standing { configured, level: configured, until: None };
        Self(Arc::new(Inner { apply, state: Mutex::new(State { pinned, standing, turn: 0 }) }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which level is in force.
    pub fn standing(&self) -> Standing {
        self.state().standing
    }

    /// Takes over what a new configuration says; a level that somebody asked for stays until its time is over.
    pub fn configure(&self, level: Level) {
        let mut state = self.state();
        if state.standing.configured == level {
            return;
        }
        let own = state.standing.until.is_none() && state.standing.level == state.standing.configured;
        state.standing.configured = level;
        if own {
            state.standing.level = level;
            self.write(&state);
        }
    }

    /// Writes with another level, for a while or until it is changed again. `None`: back to the configured one.
    pub fn set(&self, level: Option<Level>, time: Option<Duration>) -> Standing {
        let mut state = self.state();
        state.turn += 1;
        let time = time.filter(|_| level.is_some());
        state.standing.level = level.unwrap_or(state.standing.configured);
        state.standing.until = time.and_then(|time| SystemTime::now().checked_add(time));
        self.write(&state);
        if let Some(time) = time {
            let (own, turn) = (self.clone(), state.turn);
            tokio::spawn(async move {
                tokio::time::sleep(time).await;
                own.expire(turn);
            });
        }
        state.standing
    }

    /// The time of a change is over.
    fn expire(&self, turn: u64) {
        if self.state().turn == turn {
            self.set(None, None);
        }
    }

    fn write(&self, state: &State) {
        let Standing { configured, level, .. } = state.standing;
        let own = state.pinned.as_deref().filter(|_| level == configured);
        (self.0.apply)(EnvFilter::new(own.unwrap_or(level.as_str())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(pinned: Option<&str>) -> (Levels, Arc<Mutex<Vec<String>>>) {
        let written = Arc::new(Mutex::new(Vec::new()));
        let own = written.clone();
        let apply = Box::new(move |filter: EnvFilter| own.lock().unwrap().push(filter.to_string()));
        (Levels::over(Level::Info, pinned.map(str::to_owned), apply), written)
    }

    #[tokio::test]
    async fn a_level_that_was_asked_for_ends_when_its_time_is_over_and_the_configured_one_is_back() {
        let (levels, written) = levels(None);
        let standing = levels.set(Some(Level::Debug), Some(Duration::from_hours(1)));
        assert!(standing.until.is_some() && standing.level == Level::Debug);
        // The configuration may say something new meanwhile.
        levels.configure(Level::Warn);
        assert_eq!(levels.standing().level, Level::Debug);
        levels.set(Some(Level::Trace), Some(Duration::from_millis(1)));
        let back = Standing { configured: Level::Warn, level: Level::Warn, until: None };
        let over = async {
            while levels.standing() != back {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        assert!(tokio::time::timeout(Duration::from_secs(20), over).await.is_ok());
        assert_eq!(*written.lock().unwrap(), ["debug", "trace", "warn"]);
    }

    #[tokio::test]
    async fn whoever_asks_again_gets_the_whole_time() {
        let (levels, _) = levels(None);
        levels.set(Some(Level::Trace), Some(Duration::from_hours(1)));
        let first = levels.state().turn;
        levels.set(Some(Level::Debug), Some(Duration::from_hours(1)));
        levels.expire(first);
        assert_eq!(levels.standing().level, Level::Debug);
        let second = levels.state().turn;
        levels.expire(second);
        assert_eq!(levels.standing().level, Level::Info);
    }

    #[test]
    fn a_new_configuration_is_in_force_at_once() {
        let (levels, written) = levels(None);
        levels.configure(Level::Info);
        levels.configure(Level::Error);
        assert_eq!(levels.standing().level, Level::Error);
        levels.set(Some(Level::Debug), None);
        levels.configure(Level::Warn);
        assert_eq!(levels.standing().level, Level::Debug, "what was asked for stays");
        assert_eq!(levels.set(None, None).level, Level::Warn);
        assert_eq!(*written.lock().unwrap(), ["error", "debug", "warn"]);
    }

    #[test]
    fn a_filter_of_the_environment_goes_before_the_configured_level() {
        let (levels, written) = levels(Some("lockgate_engine=trace"));
        levels.configure(Level::Warn);
        levels.set(Some(Level::Debug), None);
        levels.set(None, None);
        assert_eq!(*written.lock().unwrap(), ["lockgate_engine=trace", "debug", "lockgate_engine=trace"]);
    }
}
