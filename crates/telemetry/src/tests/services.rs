//! Questions to services, as the services get them.

use std::time::Duration;

use bytes::Bytes;
use http::{Response, Uri};
use http_body_util::Full;
use lockgate_engine::Courier;

use super::receiver::{Receiver, nobody, status};
use crate::{Services, SigningKey};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

async fn asked(address: &str, patience: Duration) -> Result<Bytes, String> {
    let key: SigningKey = SECRET.parse().unwrap();
    let to: Uri = format!("{address}/decide").parse().unwrap();
    Services::new(Courier::default()).ask(&to, &key, "policy_1", "{}".to_owned(), patience).await
}

#[tokio::test]
async fn a_single_failure_of_a_service_costs_no_verdict() {
    let answer = |number| Some(if number == 1 { status(500) } else { Response::new(Full::from("allow")) });
    let receiver = Receiver::start(answer).await;
    assert_eq!(asked(&receiver.address, Duration::from_secs(20)).await, Ok(Bytes::from("allow")));
    let got = receiver.got();
    let key: SigningKey = SECRET.parse().unwrap();
    for one in &got {
        assert_eq!(one.header("webhook-id"), "policy_1", "the same each time");
        let timestamp: i64 = one.header("webhook-timestamp").parse().unwrap();
        assert_eq!(one.header("webhook-signature"), key.sign("policy_1", timestamp, &one.body));
    }
    assert_eq!(got.len(), 2);
}

#[tokio::test]
async fn a_service_is_asked_twice_at_most_and_once_where_it_has_decided() {
    for (code, times) in [(503, 2), (400, 1), (404, 1)] {
        let receiver = Receiver::start(move |_| Some(status(code))).await;
        let told = asked(&receiver.address, Duration::from_secs(20)).await;
        assert_eq!(told, Err(format!("it answered with status {code}")));
        assert_eq!(receiver.got().len(), times, "{code}");
    }
    assert!(asked(&nobody(), Duration::from_secs(20)).await.is_err());
}

#[tokio::test]
async fn a_service_that_wants_more_time_than_there_is_is_not_asked_again() {
    let late = |_| {
        let mut response = status(429);
        response.headers_mut().insert("retry-after", http::HeaderValue::from_static("600"));
        Some(response)
    };
    let receiver = Receiver::start(late).await;
    assert!(asked(&receiver.address, Duration::from_secs(5)).await.is_err());
    assert_eq!(receiver.got().len(), 1);
}
