//! A provider that speaks Chat Completions and stops in the middle until it is told to go on: what happens meanwhile
//! happens during an answer, however slow the machine is.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

/// Where it stops.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    /// Before a word of any answer, also of its list of models.
    Everything,
    /// After the first piece of an answer.
    Midway,
}

#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn pass(&self) {
        let open = self.open.lock().unwrap();
        drop(self.opened.wait_while(open, |open| !*open).unwrap());
    }
}

pub(crate) struct Held {
    pub(crate) address: SocketAddr,
    gate: Arc<Gate>,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Held {
    pub(crate) fn start(hold: Hold) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let held =
            Self { address: listener.local_addr().unwrap(), gate: Arc::default(), heads: Arc::default() };
        let (gate, heads) = (held.gate.clone(), held.heads.clone());
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let (gate, heads) = (gate.clone(), heads.clone());
                // A client that leaves ends its connection's thread, nothing else.
                std::thread::spawn(move || drop(answer(stream, hold, &gate, &heads)));
            }
        });
        held
    }

    pub(crate) fn go_on(&self) {
        *self.gate.open.lock().unwrap() = true;
        self.gate.opened.notify_all();
    }

    /// Request lines and headers so far, in lower case.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    /// A `providers` entry for it.
    pub(crate) fn entry(&self, id: &str, more: &str) -> String {
        format!("  {id}: {{kind: openai-compatible, base_url: 'http://{}/v1'{more}}}\n", self.address)
    }
}

fn answer(stream: TcpStream, hold: Hold, gate: &Gate, heads: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end().to_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        head += &line;
        head.push('\n');
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let lists = head.starts_with("get ");
    heads.lock().unwrap().push(head);
    if hold == Hold::Everything {
        gate.pass();
    }
    if lists {
        let list = r#"{"object":"list","data":[{"id":"m","object":"model","created":1,"owned_by":"o"}]}"#;
        return write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{list}",
            list.len()
        );
    }
    write!(stream, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")?;
    write!(stream, "data: {}\n\n", chunk(r#"{"role":"assistant","content":"first "}"#, "null"))?;
    stream.flush()?;
    gate.pass();
    // Each answer ends in its own words: those of another one would be seen.
    let asked: serde_json::Value = serde_json::from_slice(&body)?;
    let second =
        serde_json::json!({"content": format!("second of {}.", asked["model"].as_str().unwrap_or_default())});
    write!(stream, "data: {}\n\n", chunk(&second.to_string(), "null"))?;
    write!(stream, "data: {}\n\ndata: [DONE]\n\n", chunk("{}", r#""stop""#))
}

fn chunk(delta: &str, finish: &str) -> String {
    format!(
        r#"{{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{{"index":0,"delta":{delta},"finish_reason":{finish}}}]}}"#
    )
}
