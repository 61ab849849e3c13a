//! A policy as it is defined: a short hash of all that is said of it but its mode, so that what people say of its verdicts is counted for the
//! policy that gave them, and not for another one that has taken its name.

use lockgate_policy::Policies;

use crate::path::{Path, Step};
use crate::show::Setting;
use crate::source::Source;

/// Digits of a hash that tell definitions apart.
const DIGITS: usize = 16;

/// The definitions of the policies of a configuration, in order. Defaults that nobody wrote do not count, and of secrets only that they are there.
pub(crate) fn definitions(settings: &[Setting], policies: &Policies) -> Vec<String> {
    let chain = policies.chain.iter().enumerate();
    chain
        .map(|(at, configured)| {
            let entry = Path::of(["policies", "chain"]).index(at);
            let mode = entry.key("mode");
            let group = configured.group.as_deref().map(|group| Path::of(["policies", "groups", group]));
            hash(settings, |path| {
                path.is_within(&entry) && *path != mode
                    || group.as_ref().is_some_and(|group| path.is_within(group))
            })
        })
        .collect()
}

/// The whole section.
pub(crate) fn section(settings: &[Setting]) -> String {
    hash(settings, |path| path.is_within(&Path::of(["policies"])))
}

/// What is said of policies beside the policies themselves.
pub(crate) fn manner(settings: &[Setting]) -> String {
    let (policies, chain) = (Path::of(["policies"]), Path::of(["policies", "chain"]));
    hash(settings, |path| path.is_within(&policies) && !path.is_within(&chain))
}

fn hash(settings: &[Setting], counts: impl Fn(&Path) -> bool) -> String {
    let written = settings.iter().filter(|setting| !matches!(setting.source, Source::Default));
    let mut lines: Vec<String> = written
        .filter(|setting| counts(&setting.path))
        .map(|setting| format!("{}={}\n", below(&setting.path), setting.distinct()))
        .collect();
    lines.sort_unstable();
    let mut digits = blake3::hash(lines.concat().as_bytes()).to_hex().to_string();
    digits.truncate(DIGITS);
    digits
}

/// The way below an entry of the chain, whose place in it is no matter; else the whole way.
fn below(path: &Path) -> String {
    let steps = path.steps();
    let at = steps.iter().position(|step| matches!(step, Step::Index(_)));
    match at {
        Some(2) => format!("{:?}", &steps[3..]),
        Some(_) | None => format!("{steps:?}"),
    }
}

#[cfg(test)]
mod tests {
    use crate::{Document, Inputs};

    fn definitions(chain: &str) -> Vec<String> {
        Document::read(&format!("policies: {{chain: [{chain}]}}")).unwrap().definitions()
    }

    #[test]
    fn a_policy_stays_the_same_in_another_mode_or_place_and_no_other_does() {
        let git = |more: &str, tools: &str| {
            format!("{{name: git{more}, rules: [{{name: a, tools: [{tools}], then: refuse}}]}}")
        };
        let one = definitions(&git("", "Bash"));
        assert_eq!(one, definitions(&git(", mode: observe", "Bash")));
        assert_eq!(one[0], definitions(&format!("{{notice: {{text: x}}}}, {}", git("", "Bash")))[1]);
        for other in [git("", "'*'"), git(", on_failure: pass", "Bash"), git(", when: {keys: [ci]}", "Bash")]
        {
            assert_ne!(one, definitions(&other), "{other}");
        }
    }

    /// What a policy of the file has shown counts when it is applied instead.
    #[test]
    fn a_policy_is_the_same_in_the_file_and_in_a_document() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lockgate.yaml");
        let text = "policies: {chain: [{mode: observe, rules: [{name: a, tools: [Bash], then: refuse}]}]}";
        std::fs::write(&file, format!("{text}\nserver: {{drain_ms: 5}}\n")).unwrap();
        let snapshot = Inputs { file: Some(file), ..Inputs::default() }.load().unwrap();
        assert_eq!(snapshot.definitions(), Document::read(text).unwrap().definitions());
    }
}
