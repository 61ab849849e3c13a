//! `lockgate-bench`: Lockgate beside nginx, a bare hyper proxy and no proxy at all. Never part of the product.
//!
//! `compare` starts everything and prints the table; `upstream` and `proxy` are what it starts, and can be used alone. `store` measures a database,
//! `traffic` makes one to measure with.
//! How it is measured and how to read it is in docs/PERFORMANCE.md.

mod answer;
mod compare;
mod dialect;
mod http;
mod load;
mod postgres;
mod process;
mod proxy;
mod report;
mod request;
mod rest;
mod scenario;
mod stats;
mod store;
mod targets;
mod traffic;
mod upstream;

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(
    name = "lockgate-bench",
    version,
    about = "Measures Lockgate beside nginx, a bare proxy and no proxy"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start everything, measure, and print a Markdown table.
    Compare(compare::CompareArgs),
    /// A proxy made of hyper that looks at nothing.
    Proxy {
        /// Where it listens.
        #[arg(long)]
        listen: SocketAddr,
        /// Where requests go.
        #[arg(long)]
        upstream: SocketAddr,
    },
    /// Fill a database with calls, and time statistics, lists and searches.
    Store(store::StoreArgs),
    /// Make a record with calls of a coding agent, to time `lockgate policy backtest` on.
    Traffic(traffic::TrafficArgs),
    /// A model server for measuring; the model's name says how it answers.
    Upstream {
        /// Where it listens.
        #[arg(long)]
        listen: SocketAddr,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    run(cli.command).unwrap_or_else(|error| {
        let _ = writeln!(io::stderr(), "lockgate-bench: {error}");
        ExitCode::from(2)
    })
}

/// All are one thread: one core is what each of them has.
fn run(command: Command) -> io::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match command {
        Command::Compare(args) => runtime.block_on(compare::main(args)),
        Command::Proxy { listen, upstream } => {
            process::raise_files();
            runtime.block_on(proxy::serve(listen, upstream)).map(|()| ExitCode::SUCCESS)
        }
        Command::Store(args) => runtime.block_on(store::main(args)),
        Command::Traffic(args) => runtime.block_on(traffic::main(args)),
        Command::Upstream { listen } => {
            process::raise_files();
            runtime.block_on(upstream::serve(listen)).map(|()| ExitCode::SUCCESS)
        }
    }
}
