//! "Did you mean": the known word nearest to a misspelt one, or none if nothing is near.

/// The candidate that is most likely meant: a few letters away, or longer or shorter at its end. Case, `-` and `_` do not
/// count as differences.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = plain(word);
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let known = plain(candidate);
            let distance = strsim::damerau_levenshtein(&word, &known);
            let shorter = known.len().min(word.len());
            let continued = shorter >= 3 && (known.starts_with(&word) || word.starts_with(&known));
            (continued || distance <= (shorter / 3).max(1)).then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The word without what people vary.
pub(crate) fn plain(word: &str) -> String {
    word.chars().filter(|c| !matches!(c, '-' | '_')).take(80).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_suggested_and_far_ones_are_not() {
        let known = ["default", "background", "longContext", "webSearch", "api_key", "base_url"];
        let near = |word| nearest(word, known);
        assert_eq!(near("longContxt"), Some("longContext"));
        assert_eq!(near("long_context"), Some("longContext"));
        assert_eq!(near("apiKey"), Some("api_key"));
        assert_eq!(near("bsae_url"), Some("base_url"));
        assert_eq!(near("web"), Some("webSearch"));
        assert_eq!(near("colour"), None);
        assert_eq!(near(""), None);
    }
}
