//! Forms that many issuers share: web tokens, key blocks, addresses, headers, hashes of passwords, named values.

use crate::finders::{self, BLOCK_MAX};
use crate::name::Kind;
use crate::rule::{Check, Extent, Rule};

pub(super) static RULES: &[Rule] = &[
    Rule::code("private-key", &["-----begin"], finders::pem).after(BLOCK_MAX).extent(Extent::Block),
    Rule::code("private-key", &["private-lines:"], finders::putty).after(4096).extent(Extent::Block),
    // The same block in base64: "-----BEGIN … PRIVATE" at the start of the encoded text.
    Rule::pattern("private-key", &["ls0tls1crudjti"], r"LS0tLS1CRUdJTi[A-Za-z0-9+/\\\s]{60,8000}={0,2}").after(8192).extent(Extent::Block),
    Rule::code("jwt", &["eyj"], finders::jwt).after(4096),
    Rule::code("url-password", &["://"], finders::userinfo).after(1024).check(Check::NoWords),
    Rule::code(
        "url-secret",
        &["token=", "key=", "secret=", "password=", "signature=", "passwd=", "pwd=", "auth=", "access_code="],
        finders::query,
    )
    .after(420),
    Rule::code("authorization", &["authorization"], finders::authorization).after(4200).extent(Extent::Line),
    Rule::code("bearer", &["bearer"], finders::bearer).after(4200).extent(Extent::Line),
    Rule::code("cookie", &["cookie"], finders::cookie).after(4200).extent(Extent::Line),
    Rule::code("password-hash", &["$1$", "$2a$", "$2b$", "$2y$", "$5$", "$6$", "$7$", "$8$", "$9$", "$y$", "$apr1$", "$argon2", "$krb5", "$scrypt$", "$pbkdf2"], finders::crypt).after(1400),
    Rule::code("pgpass", &[":5432:", ":5433:", ":6432:"], finders::pgpass).after(256).record_only(),
    Rule::pattern("flag-password", &[" -u ", " --user "], r#" (?:-u|--user)[ =]["']?[\w.@+-]{1,80}:([^\s"'$<{/][^\s"'$<{]{3,120})"#).extent(Extent::Line).record_only(),
    Rule::pattern("flag-password", &["psexec"], r"(?i:psexec)[^\n]{0,120}? -p ([^\s$%-][^\s$%]{2,60})").extent(Extent::Line).record_only(),
    Rule::pattern(
        "login-password",
        &["networkcredential(", "directoryentry("],
        r#"(?i:networkcredential|directoryentry)\((?:\s{0,20}"[^"\n]{1,80}",)?\s{0,20}"[^"\n]{1,80}",\s{0,20}"([^"\n]{4,80})""#,
    )
    .extent(Extent::Block)
    .record_only(),
    Rule::pattern("login-password", &[".login("], r#"\.login\(\s{0,10}["'][^"'\n]{1,80}["'],\s{0,10}["']([^"'\n]{4,80})["']"#).extent(Extent::Line).record_only(),
    Rule::assigned("password", &["password", "passwd", "passphrase", "passwort", "pwd", "pass"], Kind::Password),
    Rule::assigned("secret", &["secret", "credential"], Kind::Token),
    Rule::assigned(
        "api-key",
        &["api_key", "apikey", "api-key", "access_key", "accesskey", "access-key", "private_key", "privatekey", "presharedkey",
          "account_key", "accountkey", "auth_key", "encryption_key", "encryptionkey", "signing_key", "master_key", "license_key",
          "licensekey", "insertkey", "service_key", "apptoken", "app_key"],
        Kind::Token,
    ),
    Rule::assigned("token", &["token", "ado_pat", "_pat_", "devops_pat"], Kind::Token),
    Rule::assigned("auth", &["auth"], Kind::Token),
    Rule::assigned("key", &["key", "salt"], Kind::Key).record_only(),
];
