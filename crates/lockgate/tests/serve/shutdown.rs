//! How it ends, and why it does not begin.

use std::net::{TcpListener, TcpStream};

use crate::held::{Held, Hold};
use crate::support::{Gateway, Home, until};

#[test]
fn on_sigterm_answers_are_completed_and_nobody_new_is_let_in() {
    let held = Held::start(Hold::Midway);
    let home = Home::new();
    home.write("lockgate.yaml", &format!("providers:\n{}", held.entry("work", "")));
    let mut gateway = Gateway::start(&home);
    let mut stream = gateway.stream("work:m");
    stream.until("first ");
    gateway.signal("TERM");
    until("new connections are refused", || TcpStream::connect(gateway.address).is_err());
    until("it says what it waits for", || gateway.out().contains("waiting for 1 answer"));
    held.go_on();
    let answer = stream.end().unwrap();
    assert!(answer.text.contains("second") && answer.text.contains("[DONE]"), "{answer:?}");
    assert_eq!(gateway.ended(), 0);
    assert!(gateway.out().contains("stopped"), "{}", gateway.out());
}

#[test]
fn a_second_sigterm_waits_for_nobody() {
    let held = Held::start(Hold::Midway);
    let home = Home::new();
    home.write(
        "lockgate.yaml",
        &format!("server: {{drain_ms: 86400000}}\nproviders:\n{}", held.entry("work", "")),
    );
    let mut gateway = Gateway::start(&home);
    let mut stream = gateway.stream("work:m");
    stream.until("first ");
    gateway.signal("TERM");
    until("new connections are refused", || TcpStream::connect(gateway.address).is_err());
    gateway.signal("TERM");
    assert_eq!(gateway.ended(), 0);
    assert!(gateway.out().contains("stopped; 1 answer cut off"), "{}", gateway.out());
}

#[test]
fn an_idle_gateway_stops_without_waiting_for_anybody() {
    let home = Home::new();
    let mut gateway = Gateway::start(&home);
    // A client that keeps its connection for another request is nobody to wait for.
    let _idle = TcpStream::connect(gateway.address).unwrap();
    gateway.signal("TERM");
    assert_eq!(gateway.ended(), 0);
    assert!(gateway.out().contains("stopped") && !gateway.out().contains("waiting"), "{}", gateway.out());
}

#[test]
fn an_address_that_is_taken_is_3_and_says_by_whom() {
    let home = Home::new();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let ran = home.run(&["--listen", &other.local_addr().unwrap().to_string()]);
    assert_eq!(ran.code, 3, "{ran:#?}");
    assert!(ran.err.contains("another program has the port") && ran.err.contains("--listen"), "{ran:#?}");
    let gateway = Gateway::start(&home);
    let ran = home.run(&["serve", "--listen", &gateway.address.to_string()]);
    assert_eq!(ran.code, 3, "{ran:#?}");
    assert!(ran.err.contains("a Lockgate is running there already"), "{ran:#?}");
}

/// Requirement L2.
#[test]
fn a_broken_configuration_is_2_with_every_problem_at_once() {
    let home = Home::new();
    home.write("lockgate.yaml", "server:\n  listen: nowhere\nprovidrs: {}\nlog: {level: loud}\n");
    let ran = home.run(&[]);
    assert_eq!(ran.code, 2, "{ran:#?}");
    for place in
        ["lockgate.yaml:2:11", "lockgate.yaml:3:1", "lockgate.yaml:4:14", "did you mean `providers`?"]
    {
        assert!(ran.err.contains(place), "{place}: {}", ran.err);
    }
}
