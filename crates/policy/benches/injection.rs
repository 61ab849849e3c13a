//! What it costs to look for instructions in 150 KB of results: `cargo bench -p lockgate-policy --bench injection`.

use divan::Bencher;
use lockgate_policy::injection::Signs;

fn main() {
    divan::main();
}

/// Lines of code and prose, with a telling word in every few.
fn text(line: &str) -> String {
    line.repeat(150_000 / line.len())
}

fn looked_through(bencher: Bencher<'_, '_>, line: &str) {
    let text = text(line);
    let signs = Signs::new().unwrap_or_else(|words| panic!("{words}"));
    bencher.counter(divan::counter::BytesCount::of_str(&text)).bench_local(|| signs.of(&text));
}

/// What agents read most.
#[divan::bench]
fn code(bencher: Bencher<'_, '_>) {
    looked_through(
        bencher,
        "    let value = store.get(at).ok_or(Error::Missing(at))?; // of the row that was read\n",
    );
}

/// Pages about agents: each sentence has a word that is looked at.
#[divan::bench]
fn prose_about_agents(bencher: Bencher<'_, '_>) {
    looked_through(
        bencher,
        "The assistant reads the page, and the user may ignore what it says about the agent and its instructions. ",
    );
}
