//! What is compared, and what is wanted of it: data.

use std::fmt;

use crate::dialect::{Dialect, Shape};
use crate::request::{AGENT, SMALL};

/// What stands between client and upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Nothing.
    Direct,
    /// nginx, one worker.
    Nginx,
    /// The proxy of this crate.
    Bare,
    /// The gateway.
    Lockgate,
}

impl Kind {
    /// In the order of the table's columns.
    pub(crate) const ALL: [Self; 4] = [Self::Direct, Self::Nginx, Self::Bare, Self::Lockgate];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare hyper",
            Self::Direct => "direct",
            Self::Lockgate => "Lockgate",
            Self::Nginx => "nginx",
        }
    }
}

/// How hard the targets are driven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    /// One request at a time: what is added to the waiting.
    Low,
    /// Sixteen workers: what a request costs a core that is never idle.
    Saturated,
}

/// One kind of traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scenario {
    pub(crate) load: Load,
    pub(crate) client: Dialect,
    /// Lockgate translates to the other dialect; the rest has nothing to translate and passes the client's.
    pub(crate) cross: bool,
    pub(crate) size: usize,
    pub(crate) stream: bool,
    /// Tool calls behind the text of the stream.
    pub(crate) calls: usize,
}

impl Scenario {
    /// Everything, in the order of the tables.
    pub(crate) fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for load in [Load::Low, Load::Saturated] {
            for cross in [false, true] {
                for size in [SMALL, AGENT] {
                    for client in Dialect::ALL {
                        for stream in [false, true] {
                            all.push(Self { load, client, cross, size, stream, calls: 0 });
                        }
                    }
                }
            }
        }
        // Translation is about large requests; a chunk costs the same whatever was asked.
        all.retain(|scenario| !(scenario.cross && scenario.size == SMALL));
        all.retain(|scenario| {
            scenario.load == Load::Low || scenario.cross || !scenario.stream || scenario.size == SMALL
        });
        // What a policy that holds tool calls adds until the last byte of them.
        for client in Dialect::ALL {
            for calls in [1, 4] {
                let (load, size) = (Load::Low, SMALL);
                all.push(Self { load, client, cross: false, size, stream: true, calls });
            }
        }
        all
    }

    pub(crate) fn shape(self) -> Shape {
        match (self.stream, self.load, self.calls) {
            (false, ..) => Shape::WHOLE,
            (true, Load::Low, 0) => Shape::PACED,
            (true, Load::Low, 1) => Shape::ONE_CALL,
            (true, Load::Low, _) => Shape::FOUR_CALLS,
            (true, Load::Saturated, _) => Shape::RUSH,
        }
    }

    /// Whose model Lockgate is asked for.
    pub(crate) fn provider(self, kind: Kind) -> Dialect {
        match (self.client, self.cross && kind == Kind::Lockgate) {
            (Dialect::Anthropic, true) => Dialect::OpenAi,
            (Dialect::OpenAi, true) => Dialect::Anthropic,
            (client, false) => client,
        }
    }

    /// The figures that come out of it. `recording`: Lockgate records what it is asked, and processor time is that of the recorder, too.
    pub(crate) fn measures(self, recording: bool) -> Vec<(Measure, Goal)> {
        let nginx = |small, agent| match (self.cross, self.size == SMALL) {
            (true, _) => Goal::None,
            (false, true) => Goal::OfNginx(small),
            (false, false) => Goal::OfNginx(agent),
        };
        match (self.load, self.stream) {
            (Load::Low, true) if self.calls > 0 => vec![(Measure::LastByte, Goal::None)],
            (Load::Low, false) => vec![(Measure::Total, nginx(1.3, 1.5))],
            (Load::Low, true) => vec![(Measure::FirstByte, nginx(1.3, 1.5)), (Measure::Lag, nginx(1.2, 1.2))],
            (Load::Saturated, _) if self.cross && recording => vec![(Measure::CpuPerAnswer, Goal::None)],
            (Load::Saturated, false) if recording => vec![(Measure::CpuPerAnswer, nginx(3.5, 5.0))],
            (Load::Saturated, true) if recording => vec![(Measure::CpuPerChunk, Goal::OfNginx(4.0))],
            (Load::Saturated, _) if self.cross => vec![(Measure::CpuPerAnswer, Goal::OfNginx(4.0))],
            (Load::Saturated, false) => vec![(Measure::CpuPerAnswer, nginx(2.0, 2.5))],
            // 4 µs where bare hyper takes 3.3.
            (Load::Saturated, true) => vec![(Measure::CpuPerChunk, Goal::OfBare(4.0 / 3.3))],
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let load = match self.load {
            Load::Low => "low",
            Load::Saturated => "max",
        };
        write!(out, "{load}-{}", self.client.name())?;
        if self.cross {
            write!(out, "-to-{}", self.provider(Kind::Lockgate).name())?;
        }
        write!(out, "-{}k", self.size / 1024)?;
        if self.stream {
            out.write_str("-stream")?;
        }
        if self.calls > 0 { write!(out, "-calls-{}", self.calls) } else { Ok(()) }
    }
}

/// A figure of a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    /// Processor time of the target per complete answer.
    CpuPerAnswer,
    /// The same, per chunk of a stream.
    CpuPerChunk,
    /// From the start of sending to the first byte of the body.
    FirstByte,
    /// From the upstream's write of a chunk to the client's read.
    Lag,
    /// From the start of sending to the last byte of the tool calls, with which the answer ends.
    LastByte,
    /// From the start of sending to the end of the answer.
    Total,
}

impl Measure {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CpuPerAnswer => "CPU per request",
            Self::CpuPerChunk => "CPU per chunk",
            Self::FirstByte => "time to first byte",
            Self::Lag => "lag of a chunk",
            Self::LastByte => "time to the last byte of the calls",
            Self::Total => "latency",
        }
    }
}

/// What is wanted of Lockgate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Goal {
    /// At most this, whatever the others do.
    AtMost(f64),
    /// Nothing in particular.
    None,
    /// At most so many times what the bare proxy takes.
    OfBare(f64),
    /// At most so many times what nginx takes.
    OfNginx(f64),
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_scenario_has_a_name_of_its_own_and_a_figure() {
        let all = Scenario::all();
        let names: BTreeSet<_> = all.iter().map(ToString::to_string).collect();
        assert_eq!(names.len(), all.len());
        assert!(names.contains("low-openai-1k") && names.contains("max-anthropic-to-openai-150k-stream"));
        assert!(names.contains("low-openai-1k-stream-calls-4"));
        assert!(all.iter().all(|scenario| !scenario.measures(true).is_empty()));
    }

    #[test]
    fn only_lockgate_is_asked_to_translate() {
        let cross = Scenario::all().into_iter().find(|scenario| scenario.cross).unwrap();
        for kind in [Kind::Bare, Kind::Direct, Kind::Nginx] {
            assert_eq!(cross.provider(kind), cross.client);
        }
        assert_ne!(cross.provider(Kind::Lockgate), cross.client);
    }
}
