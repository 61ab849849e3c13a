//! Runs the scripted upstream: `cargo run -p lockgate-testkit --example upstream -- [script.yaml] [address]`.

use std::path::PathBuf;

#[tokio::main]
async fn main() -> Result<(), lockgate_testkit::RunError> {
    let mut arguments = std::env::args().skip(1);
    let script = arguments.next().map(PathBuf::from);
    let listen = arguments.next().unwrap_or_else(|| "127.0.0.1:9900".into());
    let say = |addr| {
        use std::io::Write;
        // Nobody to tell when standard output is closed.
        let _ = writeln!(std::io::stdout(), "http://{addr}");
    };
    lockgate_testkit::run(&listen, script.as_deref(), say).await
}
