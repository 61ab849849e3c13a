//! `lockgate upstream`: the scripted upstream, which plays every provider. All of it is in `lockgate-testkit`.

use std::path::PathBuf;

use clap::Args;

use crate::exit::{Exit, Failure};
use crate::screen::{GOOD, Screen, styled};

/// Arguments of `lockgate upstream`.
#[derive(Debug, Args)]
pub struct UpstreamArgs {
    /// The script; without one it echoes.
    pub script: Option<PathBuf>,
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:9900", value_name = "ADDRESS")]
    pub listen: String,
}

/// Runs until it is interrupted.
pub fn main(args: &UpstreamArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::unavailable(format!("no runtime: {error}")))?;
    let served = runtime.block_on(lockgate_testkit::run(&args.listen, args.script.as_deref(), |address| {
        let _ = screen.line(&format!("scripted upstream on {}", styled(GOOD, &format!("http://{address}"))));
    }));
    served.map(|()| Exit::Ok).map_err(|error| {
        let mut words = error.to_string();
        if let (lockgate_testkit::RunError::Script(_), Some(script)) = (&error, &args.script) {
            let words = words.strip_prefix("error: ").unwrap_or(&words);
            return Failure::usage(format!("{}: {}", script.display(), words.trim_end()));
        }
        if let Some(source) = std::error::Error::source(&error) {
            words = format!("{words}: {source}");
        }
        Failure::unavailable(words)
    })
}
