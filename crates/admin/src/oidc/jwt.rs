//! ID tokens: whether a provider signed one, for us, now, for this login. Pure: keys, time and what is expected are arguments.
//!
//! Takes asymmetric signatures only, of ring's: `none` and those with a shared secret are refused, whatever keys there are.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
    UnparsedPublicKey, VerificationAlgorithm,
};
use serde::Deserialize;
use serde_json::{Map, Value};

/// How far the clocks of the provider and of this machine may be apart, in seconds.
const LEEWAY: i64 = 60;

/// The longest token that is read, in bytes.
const LONGEST: usize = 64 * 1024;

/// What a token says of somebody.
pub(super) type Claims = Map<String, Value>;

/// Why a token is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    /// It is signed in a way that is not taken.
    #[error("it is signed with `{0}`, which is not taken")]
    Algorithm(String),
    /// It is for somebody else.
    #[error("it is for another client than this gateway (aud, azp)")]
    Audience,
    /// Its time is over.
    #[error("it has expired, or the clock of this machine is wrong")]
    Expired,
    /// It is somebody else's.
    #[error("it is of another issuer")]
    Issuer,
    /// It is no ID token.
    #[error("it is no ID token: {0}")]
    Malformed(&'static str),
    /// It is for another login.
    #[error("it belongs to another login (nonce)")]
    Nonce,
    /// Its time has not come.
    #[error("it is of the future, or the clock of this machine is wrong")]
    NotYet,
    /// The signature does not fit.
    #[error("its signature is wrong")]
    Signature,
    /// There is no such key.
    #[error("it is signed with a key that the provider does not publish")]
    UnknownKey,
}

/// A key of a provider.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Jwk {
    alg: Option<String>,
    crv: Option<String>,
    e: String,
    kid: Option<String>,
    kty: String,
    n: String,
    #[serde(rename = "use")]
    usage: Option<String>,
    x: String,
    y: String,
}

/// What a token has to say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected<'e> {
    pub(super) client: &'e str,
    pub(super) issuer: &'e str,
    pub(super) nonce: &'e str,
    /// Seconds since 1970.
    pub(super) now: i64,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    crit: Option<Value>,
    #[serde(default)]
    kid: Option<String>,
}

/// The claims of a token that is good.
pub(super) fn verify(token: &str, keys: &[Jwk], expected: Expected<'_>) -> Result<Claims, Refused> {
    if token.len() > LONGEST {
        return Err(Refused::Malformed("it is too long"));
    }
    let mut parts = token.split('.');
    let (Some(head), Some(claims), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Refused::Malformed("it has not three parts"));
    };
    let header: Header = json(head).ok_or(Refused::Malformed("its header cannot be read"))?;
    if header.crit.is_some() {
        return Err(Refused::Malformed("its header wants something that is not known"));
    }
    let family = Family::of(&header.alg).ok_or_else(|| Refused::Algorithm(header.alg.clone()))?;
    let signature = bytes(signature).ok_or(Refused::Malformed("its signature cannot be read"))?;
    let signed = &token.as_bytes()[..head.len() + 1 + claims.len()];
    let mut fitting = keys.iter().filter(|key| key.is_for(&header, family)).peekable();
    if fitting.peek().is_none() {
        return Err(Refused::UnknownKey);
    }
    if !fitting.any(|key| key.fits(&header.alg, signed, &signature)) {
        return Err(Refused::Signature);
    }
    let claims: Claims = json(claims).ok_or(Refused::Malformed("its claims cannot be read"))?;
    check(&claims, expected)?;
    Ok(claims)
}

fn check(claims: &Claims, expected: Expected<'_>) -> Result<(), Refused> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let time = |name: &str| claims.get(name).map(|value| value.as_f64().map(|seconds| seconds as i64));
    if text("iss") != Some(expected.issuer) {
        return Err(Refused::Issuer);
    }
    let ours = |value: &Value| value.as_str() == Some(expected.client);
    let (named, several) = match claims.get("aud") {
        Some(Value::Array(all)) => (all.iter().any(ours), all.len() > 1),
        Some(one) => (ours(one), false),
        None => (false, false),
    };
    let party = text("azp");
    let foreign = party.is_some_and(|party| party != expected.client) || several && party.is_none();
    if !named || foreign {
        return Err(Refused::Audience);
    }
    match time("exp").flatten() {
        None => return Err(Refused::Malformed("it does not say when it expires")),
        Some(end) if end.saturating_add(LEEWAY) <= expected.now => return Err(Refused::Expired),
        Some(_) => {}
    }
    for name in ["iat", "nbf"] {
        match time(name) {
            Some(None) => return Err(Refused::Malformed("a time in it is no number")),
            Some(Some(at)) if at > expected.now.saturating_add(LEEWAY) => return Err(Refused::NotYet),
            Some(Some(_)) | None => {}
        }
    }
    if text("nonce") != Some(expected.nonce) {
        return Err(Refused::Nonce);
    }
    match text("sub") {
        Some(subject) if !subject.is_empty() && subject.len() <= 255 => Ok(()),
        Some(_) | None => Err(Refused::Malformed("it names nobody")),
    }
}

/// What kind of key an algorithm takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Ec(&'static str),
    Okp,
    Rsa,
}

impl Family {
    fn of(algorithm: &str) -> Option<Self> {
        Some(match algorithm {
            "ES256" => Self::Ec("P-256"),
            "ES384" => Self::Ec("P-384"),
            "EdDSA" => Self::Okp,
            "PS256" | "PS384" | "PS512" | "RS256" | "RS384" | "RS512" => Self::Rsa,
            _ => return None,
        })
    }
}

impl Jwk {
    fn is_for(&self, header: &Header, family: Family) -> bool {
        let kind = match family {
            Family::Ec(curve) => self.kty == "EC" && self.crv.as_deref() == Some(curve),
            Family::Okp => self.kty == "OKP" && self.crv.as_deref() == Some("Ed25519"),
            Family::Rsa => self.kty == "RSA",
        };
        kind && self.usage.as_deref().is_none_or(|usage| usage == "sig")
            && self.alg.as_ref().is_none_or(|alg| *alg == header.alg)
            && header.kid.as_ref().is_none_or(|kid| self.kid.as_ref() == Some(kid))
    }

    fn fits(&self, algorithm: &str, signed: &[u8], signature: &[u8]) -> bool {
        let rsa: &RsaParameters = match algorithm {
            "ES256" => return self.point(&ECDSA_P256_SHA256_FIXED, signed, signature),
            "ES384" => return self.point(&ECDSA_P384_SHA384_FIXED, signed, signature),
            "EdDSA" => {
                let Some(x) = bytes(&self.x) else { return false };
                return UnparsedPublicKey::new(&ED25519, x).verify(signed, signature).is_ok();
            }
            "PS256" => &RSA_PSS_2048_8192_SHA256,
            "PS384" => &RSA_PSS_2048_8192_SHA384,
            "PS512" => &RSA_PSS_2048_8192_SHA512,
            "RS256" => &RSA_PKCS1_2048_8192_SHA256,
            "RS384" => &RSA_PKCS1_2048_8192_SHA384,
            "RS512" => &RSA_PKCS1_2048_8192_SHA512,
            _ => return false,
        };
        let (Some(n), Some(e)) = (bytes(&self.n), bytes(&self.e)) else { return false };
        RsaPublicKeyComponents { n, e }.verify(rsa, signed, signature).is_ok()
    }

    fn point(&self, algorithm: &'static dyn VerificationAlgorithm, signed: &[u8], signature: &[u8]) -> bool {
        let (Some(x), Some(y)) = (bytes(&self.x), bytes(&self.y)) else { return false };
        let point = [&[4], x.as_slice(), y.as_slice()].concat();
        UnparsedPublicKey::new(algorithm, point).verify(signed, signature).is_ok()
    }
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

fn json<T: for<'de> Deserialize<'de>>(part: &str) -> Option<T> {
    serde_json::from_slice(&bytes(part)?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The example of RFC 7515, appendix A.3: ES256, with the key that the RFC prints.
    const EXAMPLE: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

    fn example_key() -> Jwk {
        serde_json::from_value(json!({
            "kty": "EC", "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        }))
        .unwrap()
    }

    const EXPECTED: Expected<'_> = Expected { client: "gate", issuer: "joe", nonce: "n", now: 1_300_819_000 };

    #[test]
    fn a_signature_is_checked_as_the_standard_says() {
        // The signature is good; the token is for nobody.
        assert_eq!(verify(EXAMPLE, &[example_key()], EXPECTED), Err(Refused::Audience));
        let damaged = EXAMPLE.replacen("pc3MiOiJqb2Ui", "pc3MiOiJqb2Uj", 1);
        assert_eq!(verify(&damaged, &[example_key()], EXPECTED), Err(Refused::Signature));
        assert_eq!(verify(EXAMPLE, &[], EXPECTED), Err(Refused::UnknownKey));
        for other in [
            Jwk { kid: Some("a".into()), usage: Some("enc".into()), ..example_key() },
            Jwk { alg: Some("ES384".into()), ..example_key() },
            Jwk { kty: "RSA".into(), ..example_key() },
        ] {
            assert_eq!(verify(EXAMPLE, &[other], EXPECTED), Err(Refused::UnknownKey));
        }
    }

    #[test]
    fn what_is_not_signed_with_a_published_key_is_refused() {
        for (alg, refused) in [
            ("none", Refused::Algorithm("none".into())),
            ("HS256", Refused::Algorithm("HS256".into())),
            ("ES256K", Refused::Algorithm("ES256K".into())),
        ] {
            let head = URL_SAFE_NO_PAD.encode(json!({"alg": alg}).to_string());
            let rest = EXAMPLE.split_once('.').unwrap().1;
            assert_eq!(verify(&format!("{head}.{rest}"), &[example_key()], EXPECTED), Err(refused));
            let unsigned = format!("{head}.{}.", rest.split_once('.').unwrap().0);
            assert!(matches!(verify(&unsigned, &[example_key()], EXPECTED), Err(Refused::Algorithm(_))));
        }
        for wrong in ["", "a.b", "a.b.c.d", "a.b.c"] {
            assert!(
                matches!(verify(wrong, &[example_key()], EXPECTED), Err(Refused::Malformed(_))),
                "{wrong}"
            );
        }
    }

    #[test]
    fn the_claims_say_who_for_whom_when_and_for_which_login() {
        let good = json!({"iss": "joe", "aud": "gate", "exp": 1_300_819_380, "iat": 1_300_818_990, "nonce": "n", "sub": "7"});
        let said = |change: Value| {
            let mut claims = good.as_object().unwrap().clone();
            for (name, value) in change.as_object().unwrap().clone() {
                if value.is_null() {
                    claims.remove(&name)
                } else {
                    claims.insert(name, value)
                };
            }
            check(&claims, EXPECTED)
        };
        assert_eq!(said(json!({})), Ok(()));
        assert_eq!(said(json!({"aud": ["gate"]})), Ok(()));
        assert_eq!(said(json!({"aud": ["gate", "other"], "azp": "gate"})), Ok(()));
        assert_eq!(said(json!({"exp": 1_300_818_950})), Ok(()), "clocks differ a little");
        for (change, refused) in [
            (json!({"iss": "joe/"}), Refused::Issuer),
            (json!({"iss": null}), Refused::Issuer),
            (json!({"aud": "other"}), Refused::Audience),
            (json!({"aud": null}), Refused::Audience),
            (json!({"aud": ["gate", "other"]}), Refused::Audience),
            (json!({"azp": "other"}), Refused::Audience),
            (json!({"exp": 1_300_818_940}), Refused::Expired),
            (json!({"exp": "never"}), Refused::Malformed("it does not say when it expires")),
            (json!({"iat": 1_300_819_061}), Refused::NotYet),
            (json!({"nbf": 1_300_819_061}), Refused::NotYet),
            (json!({"nonce": "m"}), Refused::Nonce),
            (json!({"nonce": null}), Refused::Nonce),
            (json!({"sub": ""}), Refused::Malformed("it names nobody")),
        ] {
            assert_eq!(said(change.clone()), Err(refused), "{change}");
        }
    }
}
