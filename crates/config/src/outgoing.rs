//! `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`: the proxies that the environment names, read once with the rest of it.
//!
//! Which provider is reached through which is decided by the engine, connection by connection.

use lockgate_providers::{EnvironmentProxies, NamedProxy};

use crate::{Code, Environment, Path, Problem, Source};

/// The proxies for plain and for encrypted addresses. One that cannot be used is an error: whoever names a proxy does not want to go
/// around it.
pub(crate) fn proxies(environment: &Environment, problems: &mut Vec<Problem>) -> EnvironmentProxies {
    let mut read = |names: &[&str]| {
        let (name, text) = filled(environment, names)?;
        match text.parse() {
            Ok(address) => Some(NamedProxy { address, variable: name }),
            Err(error) => {
                let source = Source::Environment { variable: name };
                problems.push(Problem::new(
                    Code::BadValue,
                    &source,
                    &Path::of(["providers"]),
                    format!("{error}"),
                ));
                None
            }
        }
    };
    let everywhere = read(&["ALL_PROXY", "all_proxy"]);
    let https = read(&["HTTPS_PROXY", "https_proxy"]).or_else(|| everywhere.clone());
    let http = read(&["HTTP_PROXY", "http_proxy"]).or(everywhere);
    let direct = filled(environment, &["NO_PROXY", "no_proxy"]).map_or_else(String::new, |(_, text)| {
        // `*.example.com` is how many write what others write `.example.com`.
        let hosts = text.split([',', ' ']).map(str::trim).filter(|host| !host.is_empty());
        hosts
            .map(|host| host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(host))
            .collect::<Vec<_>>()
            .join(",")
    });
    EnvironmentProxies { direct, http, https }
}

fn filled(environment: &Environment, names: &[&str]) -> Option<(String, String)> {
    names.iter().find_map(|name| Some(((*name).to_owned(), environment.filled(name)?.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> (EnvironmentProxies, Vec<Problem>) {
        let mut problems = Vec::new();
        let environment: Environment = variables.iter().copied().collect();
        (proxies(&environment, &mut problems), problems)
    }

    /// Requirement 004-27: both spellings, and one variable for all.
    #[test]
    fn each_variable_is_read_in_both_spellings_and_the_general_one_steps_in() {
        let (found, problems) = read(&[
            ("https_proxy", "http://secure:1"),
            ("ALL_PROXY", "socks5://all:2"),
            ("HTTP_PROXY", " "),
            ("no_proxy", "a.example, *.b.example 10.0.0.0/8"),
        ]);
        assert!(problems.is_empty(), "{problems:?}");
        let https = found.https.unwrap();
        assert_eq!(
            (https.variable.as_str(), https.address.to_string()),
            ("https_proxy", "http://secure:1".into())
        );
        let http = found.http.unwrap();
        assert_eq!(
            (http.variable.as_str(), http.address.to_string()),
            ("ALL_PROXY", "socks5://all:2".into())
        );
        assert_eq!(found.direct, "a.example,.b.example,10.0.0.0/8");
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_an_error_that_names_its_variable_and_not_its_password() {
        let (found, problems) = read(&[("HTTPS_PROXY", "https://me:secret@proxy:1")]);
        assert_eq!(found, EnvironmentProxies::default());
        let text = problems[0].to_string();
        assert!(text.starts_with("HTTPS_PROXY: ") && problems[0].is_error(), "{text}");
        assert!(!format!("{problems:?}").contains("secret"), "{problems:?}");
    }
}
