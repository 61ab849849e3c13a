//! A small provider of OpenID Connect: it publishes itself and its keys, lets the person in at once who is set, gives a code for that, and an ID
//! token for the code to whoever has the client's secret and the verifier. What it says can be bent before it is signed.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::digest;
use ring::rand::SystemRandom;
use ring::rsa::{KeyPair as RsaKeyPair, PublicKeyComponents};
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256};
use serde_json::{Map, Value, json};
use url::form_urlencoded;

/// The name and the secret of the gateway, the latter with signs that have to be written otherwise on their way.
pub(crate) const CLIENT: &str = "gate";
pub(crate) const CLIENT_SECRET: &str = "s3cr:t/+ &";

/// The provider.
pub(crate) struct Provider {
    pub(crate) issuer: String,
    state: Arc<Mutex<State>>,
}

/// A token before it is signed.
pub(crate) struct Minted {
    pub(crate) claims: Map<String, Value>,
    pub(crate) header: Map<String, Value>,
}

type Bend = Box<dyn Fn(&mut Minted) + Send>;

struct State {
    /// Codes that are good, with what they were asked for with.
    codes: HashMap<String, HashMap<String, String>>,
    bend: Option<Bend>,
    key: Key,
    person: Value,
    /// Methods and paths of all requests.
    seen: Vec<String>,
}

enum Key {
    Ec(String, Box<EcdsaKeyPair>),
    Rsa(String, Box<RsaKeyPair>),
}

impl Key {
    fn ec(name: &str) -> Self {
        let random = SystemRandom::new();
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, made.as_ref(), &random).unwrap();
        Self::Ec(name.to_owned(), Box::new(pair))
    }

    /// The key of the fixtures, which opens nothing.
    fn rsa(name: &str) -> Self {
        let file =
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/providers/vertex/service-account.json");
        let account: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        let pem = account["private_key"].as_str().unwrap();
        let lines: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        Self::Rsa(
            name.to_owned(),
            Box::new(RsaKeyPair::from_pkcs8(&STANDARD.decode(lines).unwrap()).unwrap()),
        )
    }

    fn published(&self) -> Value {
        match self {
            Self::Ec(kid, pair) => {
                let point = pair.public_key().as_ref();
                json!({"kty": "EC", "crv": "P-256", "use": "sig", "kid": kid,
                    "x": URL_SAFE_NO_PAD.encode(&point[1..33]), "y": URL_SAFE_NO_PAD.encode(&point[33..])})
            }
            Self::Rsa(kid, pair) => {
                let PublicKeyComponents { n, e } = PublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({"kty": "RSA", "alg": "RS256", "use": "sig", "kid": kid,
                    "n": URL_SAFE_NO_PAD.encode(n), "e": URL_SAFE_NO_PAD.encode(e)})
            }
        }
    }

    fn header(&self) -> Map<String, Value> {
        let (alg, kid) = match self {
            Self::Ec(kid, _) => ("ES256", kid),
            Self::Rsa(kid, _) => ("RS256", kid),
        };
        json!({"alg": alg, "kid": kid, "typ": "JWT"}).as_object().unwrap().clone()
    }

    fn sign(&self, text: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Ec(_, pair) => pair.sign(&random, text).unwrap().as_ref().to_vec(),
            Self::Rsa(_, pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, text, &mut signature).unwrap();
                signature
            }
        }
    }
}

impl Provider {
    /// Listens. Ann is logged in there.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let person =
            json!({"sub": "ann-1", "email": "ann@example.org", "email_verified": true, "groups": ["staff"]});
        let state =
            State { bend: None, codes: HashMap::new(), key: Key::rsa("first"), person, seen: Vec::new() };
        let state = Arc::new(Mutex::new(state));
        let (own, shared) = (issuer.clone(), state.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                answer(&own, &shared, stream.unwrap());
            }
        });
        Self { issuer, state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Who is logged in there from now on.
    pub(crate) fn person(&self, claims: Value) {
        self.state().person = claims;
    }

    /// What becomes of tokens before they are signed; nothing, without one.
    pub(crate) fn bend(&self, bend: Option<Bend>) {
        self.state().bend = bend;
    }

    /// From now on there is another key, and the one before is gone.
    pub(crate) fn rotate(&self, name: &str) {
        self.state().key = Key::ec(name);
    }

    /// How often a path was asked for.
    pub(crate) fn asked(&self, path: &str) -> usize {
        self.state().seen.iter().filter(|seen| seen.ends_with(&format!(" {path}"))).count()
    }
}

fn pairs(text: &str) -> HashMap<String, String> {
    form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

fn answer(issuer: &str, state: &Mutex<State>, mut stream: TcpStream) {
    let Some((head, body)) = read(&mut stream) else { return };
    let mut words = head.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut state = state.lock().unwrap();
    state.seen.push(format!("{method} {path}"));
    let (status, more, text) = match path {
        "/.well-known/openid-configuration" => {
            let told = json!({
                "issuer": issuer, "authorization_endpoint": format!("{issuer}/authorize"),
                "token_endpoint": format!("{issuer}/token"), "jwks_uri": format!("{issuer}/keys"),
            });
            ("200 OK", String::new(), told.to_string())
        }
        "/keys" => {
            let unknown = json!({"kty": "oct", "kid": "other"});
            ("200 OK", String::new(), json!({"keys": [unknown, state.key.published()]}).to_string())
        }
        "/authorize" => {
            let asked = pairs(query);
            assert_eq!((asked["response_type"].as_str(), asked["client_id"].as_str()), ("code", CLIENT));
            assert_eq!(asked["code_challenge_method"], "S256");
            assert!(asked["scope"].split(' ').any(|scope| scope == "openid"), "{asked:?}");
            let code = format!("code-{}", state.seen.len());
            let to =
                format!("{}?code={code}&state={}&session_state=x", asked["redirect_uri"], asked["state"]);
            state.codes.insert(code, asked);
            ("303 See Other", format!("location: {to}\r\n"), String::new())
        }
        "/token" => match token(issuer, &mut state, &head, &pairs(&body)) {
            Ok(token) => (
                "200 OK",
                String::new(),
                json!({"access_token": "a", "token_type": "Bearer", "id_token": token}).to_string(),
            ),
            Err(word) => ("400 Bad Request", String::new(), json!({"error": word}).to_string()),
        },
        _ => ("404 Not Found", String::new(), String::new()),
    };
    let length = text.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n{more}\r\n{text}"
    );
    stream.write_all(answer.as_bytes()).unwrap();
}

/// The ID token for a code, once.
fn token(
    issuer: &str,
    state: &mut State,
    head: &str,
    form: &HashMap<String, String>,
) -> Result<String, &'static str> {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let login = STANDARD.encode(format!("{}:{}", encoded(CLIENT), encoded(CLIENT_SECRET)));
    let shown = head
        .lines()
        .find_map(|line| line.to_lowercase().starts_with("authorization: basic ").then(|| &line[21..]));
    if shown != Some(login.as_str()) {
        return Err("invalid_client");
    }
    let asked = state.codes.remove(&form["code"]).ok_or("invalid_grant")?;
    let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, form["code_verifier"].as_bytes()));
    if form["grant_type"] != "authorization_code"
        || form["redirect_uri"] != asked["redirect_uri"]
        || challenge != asked["code_challenge"]
    {
        return Err("invalid_grant");
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let mut claims = state.person.as_object().unwrap().clone();
    let own = json!({"iss": issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": asked["nonce"]});
    claims.extend(own.as_object().unwrap().clone());
    let mut minted = Minted { claims, header: state.key.header() };
    if let Some(bend) = &state.bend {
        bend(&mut minted);
    }
    let part = |map: &Map<String, Value>| URL_SAFE_NO_PAD.encode(Value::Object(map.clone()).to_string());
    let signed = format!("{}.{}", part(&minted.header), part(&minted.claims));
    let signature =
        if minted.header["alg"] == "none" { Vec::new() } else { state.key.sign(signed.as_bytes()) };
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// Head and body of a request.
fn read(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut read = Vec::new();
    let mut piece = [0; 4096];
    loop {
        if let Some(end) = memchr::memmem::find(&read, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..end]).into_owned();
            let length = head.to_lowercase();
            let length =
                length.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
            if read.len() >= end + 4 + length.unwrap_or(0) {
                return Some((head, String::from_utf8_lossy(&read[end + 4..]).into_owned()));
            }
        }
        let count = stream.read(&mut piece).ok().filter(|count| *count > 0)?;
        read.extend_from_slice(&piece[..count]);
    }
}
