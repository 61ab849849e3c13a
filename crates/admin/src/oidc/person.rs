//! Who somebody is to this gateway, from what the provider says: a name, a role, and whether that one is let in at all. Pure.

use serde_json::Value;

use super::OidcOptions;
use super::jwt::Claims;
use crate::guard::Role;
use crate::users::is_name;

/// Somebody who is let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Person {
    /// The name of the account here.
    pub(super) name: String,
    pub(super) role: Role,
    /// The provider's name for the account, which is nobody else's, ever.
    pub(super) subject: String,
}

/// Which role somebody has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleRule {
    /// The claim that has to have the value; dots lead into claims that hold others. `None` = everybody who is let in.
    pub claim: Option<String>,
    /// The role.
    pub role: Role,
    /// The value, or one of several.
    pub value: String,
}

impl Person {
    /// Who it is; the error says to that one why there is no way in.
    pub(super) fn of(claims: &Claims, options: &OidcOptions) -> Result<Self, String> {
        let mail = verified_mail(claims);
        let name = if options.name_claim == "email" {
            mail.ok_or(
                "the provider does not say an address of yours that it has verified (email, email_verified)",
            )?
        } else {
            at(claims, &options.name_claim).and_then(Value::as_str).ok_or_else(|| {
                format!("the provider does not say your name (the claim `{}`)", options.name_claim)
            })?
        };
        if !is_name(name) {
            let words =
                "the name that the provider says cannot be one here: letters, digits and `._@+-`, at most 64";
            return Err(words.to_owned());
        }
        let domain = mail.and_then(|mail| mail.rsplit_once('@')).map(|(_, domain)| domain);
        let fits = |allowed: &String| domain.is_some_and(|domain| domain.eq_ignore_ascii_case(allowed));
        if !options.allowed_domains.is_empty() && !options.allowed_domains.iter().any(fits) {
            return Err(
                "your address is of no domain that may log in here (admin.oidc.allowed_domains)".to_owned()
            );
        }
        let member = |group: &String| says(claims, &options.groups_claim, group);
        if !options.allowed_groups.is_empty() && !options.allowed_groups.iter().any(member) {
            return Err("you are in no group that may log in here (admin.oidc.allowed_groups)".to_owned());
        }
        let holds =
            |rule: &&RoleRule| rule.claim.as_ref().is_none_or(|claim| says(claims, claim, &rule.value));
        let role = options.roles.iter().filter(holds).map(|rule| rule.role).max();
        let role = role.ok_or("you have no role here (admin.oidc.roles)")?;
        let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default();
        Ok(Self { name: name.to_owned(), role, subject: subject.to_owned() })
    }
}

/// The address, if the provider has verified it.
fn verified_mail(claims: &Claims) -> Option<&str> {
    let verified = claims.get("email_verified");
    let verified = verified.is_some_and(|word| word == true || word == "true");
    claims.get("email").and_then(Value::as_str).filter(|mail| verified && mail.contains('@'))
}

/// Whether a claim is a value, or has it among others.
fn says(claims: &Claims, claim: &str, value: &str) -> bool {
    match at(claims, claim) {
        Some(Value::String(text)) => text == value,
        Some(Value::Bool(is)) => value == if *is { "true" } else { "false" },
        Some(Value::Array(all)) => all.iter().any(|one| one.as_str() == Some(value)),
        Some(Value::Null | Value::Number(_) | Value::Object(_)) | None => false,
    }
}

/// A claim by its name, or by names with dots between them.
fn at<'c>(claims: &'c Claims, path: &str) -> Option<&'c Value> {
    if let Some(found) = claims.get(path) {
        return Some(found);
    }
    let (first, rest) = path.split_once('.')?;
    at(claims.get(first)?.as_object()?, rest)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn options() -> OidcOptions {
        let rule = |claim: &str, value: &str, role| RoleRule {
            claim: Some(claim.to_owned()),
            role,
            value: value.to_owned(),
        };
        OidcOptions {
            roles: vec![
                rule("groups", "staff", Role::Own),
                rule("realm_access.roles", "boss", Role::Admin),
                rule("https://example.org/role", "ops", Role::Operator),
            ],
            ..OidcOptions::default()
        }
    }

    fn person(options: &OidcOptions, claims: &Value) -> Result<(String, Role), String> {
        Person::of(claims.as_object().unwrap(), options).map(|person| (person.name, person.role))
    }

    #[test]
    fn the_highest_role_that_a_claim_gives_holds_and_without_one_there_is_no_way_in() {
        let ann = |more: Value| {
            let mut claims = json!({"sub": "1", "email": "ann@example.org", "email_verified": true});
            claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            person(&options(), &claims)
        };
        let named = |role| Ok(("ann@example.org".to_owned(), role));
        assert_eq!(ann(json!({"groups": ["staff", "other"]})), named(Role::Own));
        assert_eq!(ann(json!({"groups": "staff"})), named(Role::Own));
        assert_eq!(
            ann(json!({"groups": ["staff"], "realm_access": {"roles": ["boss"]}})),
            named(Role::Admin)
        );
        assert_eq!(ann(json!({"https://example.org/role": "ops"})), named(Role::Operator));
        assert!(ann(json!({"groups": ["staffx"]})).unwrap_err().contains("no role"));
        assert!(ann(json!({})).unwrap_err().contains("no role"));
        assert!(ann(json!({"groups": ["staff"], "email_verified": false})).unwrap_err().contains("verified"));
        assert!(ann(json!({"groups": ["staff"], "email": "a\u{7}@b"})).unwrap_err().contains("name"));
    }

    #[test]
    fn domains_and_groups_narrow_who_is_let_in() {
        let everybody = RoleRule { claim: None, role: Role::Viewer, value: String::new() };
        let narrow = OidcOptions {
            allowed_domains: vec!["Example.org".to_owned()],
            allowed_groups: vec!["staff".to_owned()],
            name_claim: "preferred_username".to_owned(),
            roles: vec![everybody],
            ..OidcOptions::default()
        };
        let good = json!({"sub": "1", "preferred_username": "ann", "email": "ann@example.org", "email_verified": "true", "groups": ["staff"]});
        assert_eq!(person(&narrow, &good), Ok(("ann".to_owned(), Role::Viewer)));
        for (change, words) in [
            (json!({"email": "ann@evil-example.org"}), "domain"),
            (json!({"email": "ann@example.org.evil"}), "domain"),
            (json!({"email_verified": false}), "domain"),
            (json!({"groups": []}), "group"),
            (json!({"preferred_username": 7}), "name"),
        ] {
            let mut claims = good.clone();
            claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            assert!(person(&narrow, &claims).unwrap_err().contains(words), "{change}");
        }
    }
}
