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

fn looked_through(bencher: Bencher<'_, '_>, text: &str) {
    let signs = Signs::new().unwrap_or_else(|words| panic!("{words}"));
    bencher.counter(divan::counter::BytesCount::of_str(text)).bench_local(|| signs.of(text));
}

/// What agents read most.
#[divan::bench]
fn code(bencher: Bencher<'_, '_>) {
    looked_through(
        bencher,
        &text("    let value = store.get(at).ok_or(Error::Missing(at))?; // of the row that was read\n"),
    );
}

/// A page about agents that says one thing over and over: each sentence has words that are looked at.
#[divan::bench]
fn one_sentence_about_agents(bencher: Bencher<'_, '_>) {
    looked_through(
        bencher,
        &text(
            "The assistant reads the page, and the user may ignore what it says about the agent and its instructions. ",
        ),
    );
}

/// Pages about agents as people write them: this repository's own about policies.
#[divan::bench]
fn prose_about_agents(bencher: Bencher<'_, '_>) {
    let pages = [
        include_str!("../../../docs/POLICIES.md"),
        include_str!("../../../docs/SECURITY-MODEL.md"),
        include_str!("../../../docs/policies/injection.md"),
        include_str!("../../../docs/policies/injection_figures.md"),
        include_str!("../../../docs/policies/judge.md"),
        include_str!("../../../docs/policies/exfiltration.md"),
        include_str!("../../../docs/policies/secret_guard.md"),
        include_str!("../../../docs/policies/tool_judge.md"),
    ];
    let pages = pages.concat();
    let text = pages.repeat(150_000 / pages.len() + 1);
    looked_through(bencher, &text[..text.floor_char_boundary(150_000)]);
}
