//! `lockgate live`: what calls do at a running gateway, a line for each event, until somebody stops it.
//!
//! Follows `/api/live` and comes back by itself when the gateway was away, behind the last event that it had. Shows no contents, since the
//! gateway tells none.

mod line;
mod stream;

use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::call::segment;
use crate::exit::{Exit, Failure};
use crate::gateway::Secret;
use crate::office::{Here, OfficeArgs, here};
use crate::screen::{FAINT, Screen, styled};
use stream::{Next, Trouble, Watched};

/// Between two tries to come back; each wait is twice the one before.
const WAIT: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(10);

/// Arguments of `lockgate live`.
#[derive(Debug, Args)]
pub struct LiveArgs {
    /// Only calls by this key.
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    /// Only calls to this model; `*` stands for anything.
    #[arg(long, value_name = "PATTERN")]
    model: Option<String>,
    /// Only calls that ended so; leaves only events of calls that are over.
    #[arg(long, value_enum)]
    outcome: Option<Ending>,
    /// Only calls to this provider.
    #[arg(long, value_name = "ID")]
    provider: Option<String>,
    /// Only calls of this session, where their headers name it.
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// Only calls of this user.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Only these events; all by default.
    #[arg(long = "event", value_enum, value_name = "EVENT")]
    events: Vec<What>,
    /// End after so many events.
    #[arg(long, value_name = "NUMBER")]
    limit: Option<u64>,
    /// Begin behind the event of this id, if the gateway still has what came after it.
    #[arg(long, value_name = "ID")]
    after: Option<u64>,
    /// Print each event as JSON, one a line.
    #[arg(long)]
    pub json: bool,
    /// Where the gateway is. Without `--gateway`: where the configuration says that it listens.
    #[command(flatten)]
    office: OfficeArgs,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Ending {
    Aborted,
    Complete,
    Failed,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// A call waits for a person no longer.
    ApprovalAnswered,
    /// A call waits for a person.
    ApprovalRequested,
    /// A call is over.
    Finished,
    /// A call's client got the first bytes.
    FirstByte,
    /// A call began.
    Started,
}

impl What {
    const fn name(self) -> &'static str {
        match self {
            Self::ApprovalAnswered => "approval-answered",
            Self::ApprovalRequested => "approval-requested",
            Self::Finished => "finished",
            Self::FirstByte => "first-byte",
            Self::Started => "started",
        }
    }
}

impl LiveArgs {
    /// The path with its conditions.
    fn path(&self) -> String {
        let outcome = self.outcome.map(|outcome| match outcome {
            Ending::Aborted => "aborted".to_owned(),
            Ending::Complete => "complete".to_owned(),
            Ending::Failed => "failed".to_owned(),
        });
        let conditions = [
            ("key", &self.key),
            ("model", &self.model),
            ("outcome", &outcome),
            ("provider", &self.provider),
            ("session", &self.session),
            ("user", &self.user),
        ];
        let pairs: Vec<_> = conditions
            .iter()
            .filter_map(|(name, value)| Some(format!("{name}={}", segment(value.as_deref()?))))
            .collect();
        if pairs.is_empty() { "/api/live".to_owned() } else { format!("/api/live?{}", pairs.join("&")) }
    }

    fn wants(&self, event: &Value) -> bool {
        let what = event["what"].as_str().unwrap_or_default();
        self.events.is_empty() || what == "dropped" || self.events.iter().any(|wanted| wanted.name() == what)
    }
}

/// Follows a gateway.
pub fn main(args: &LiveArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::unavailable(format!("no runtime: {error}")))?;
    let ended = runtime.block_on(async {
        let mut watched = gateway(&args.office).await?;
        let told = tokio::select! {
            told = follow(args, &mut watched, screen) => told,
            _ = tokio::signal::ctrl_c() => Ok(()),
        };
        watched.leave().await;
        told
    });
    runtime.shutdown_background();
    ended.map(|()| Exit::Ok)
}

/// The gateway, and what it is shown: the token, or a login with the first password, which whoever may read it here may use.
async fn gateway(args: &OfficeArgs) -> Result<Watched, Failure> {
    args.check()?;
    if let Some(base) = &args.gateway {
        return Ok(Watched::new(base, args.token.as_ref().map(Secret::reveal)));
    }
    let Here { base, secret } = here(args)?;
    let mut watched = Watched::new(&base, None);
    watched.enter(&secret).await?;
    Ok(watched)
}

async fn follow(args: &LiveArgs, watched: &mut Watched, screen: &mut Screen) -> Result<(), Failure> {
    let path = args.path();
    let mut last = args.after;
    let mut left = args.limit.unwrap_or(u64::MAX);
    let mut notes = Screen::stderr();
    // The first connection has to come about; later ones may take their time.
    let mut stream = watched.subscribe(&path, last).await?;
    if !args.json {
        notes.line(&styled(FAINT, &format!("following {}; end with Ctrl-C", watched.base())))?;
    }
    while left > 0 {
        match stream.next().await {
            Next::Event(event) => {
                last = event["id"].as_u64().or(last);
                if args.wants(&event) {
                    let text = if args.json { event.to_string() } else { line::line(&event, screen.width()) };
                    screen.line(&text)?;
                    left -= u64::from(event["what"] != "dropped");
                }
            }
            Next::Over => {
                notes.line(&styled(FAINT, "the gateway is away; waiting for it"))?;
                stream = again(watched, &path, last).await?;
                notes.line(&styled(FAINT, "the gateway is back"))?;
            }
        }
    }
    Ok(())
}

/// Tries until the gateway is there again; what it refuses is not tried twice.
async fn again(watched: &Watched, path: &str, last: Option<u64>) -> Result<stream::Stream, Failure> {
    let mut wait = WAIT;
    loop {
        tokio::time::sleep(wait).await;
        match watched.subscribe(path, last).await {
            Err(Trouble::Away(_)) => {}
            other => return Ok(other?),
        }
        wait = (wait * 2).min(LONGEST);
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: LiveArgs,
    }

    #[test]
    fn conditions_go_to_the_gateway_and_events_are_chosen_here() {
        let given = |line: &str| Line::try_parse_from(line.split(' ')).unwrap().args;
        assert_eq!(given("live").path(), "/api/live");
        let some = given("live --model claude-* --outcome failed --user a&b --event finished");
        assert_eq!(some.path(), "/api/live?model=claude-*&outcome=failed&user=a%26b");
        let event = |what: &str| serde_json::json!({"what": what});
        assert!(some.wants(&event("finished")) && !some.wants(&event("started")));
        assert!(some.wants(&event("dropped")), "that something is missing is always said");
        assert!(given("live").wants(&event("started")));
    }
}
