//! The gateway proved over real HTTP on loopback, before the scripted upstream: what clients get in every dialect when
//! all goes well and when it does not. Each module is one theme; `app` starts a gateway, `client` is a bare-socket
//! client that shows what libraries hide, `front` knows how each dialect asks and what it may be answered.

#[cfg(test)]
mod access;
#[cfg(test)]
mod app;
#[cfg(test)]
mod behaviours;
#[cfg(test)]
mod client;
#[cfg(test)]
mod compatible;
#[cfg(test)]
mod continuity;
#[cfg(test)]
mod conversion;
#[cfg(test)]
mod counts;
#[cfg(test)]
mod enforcement;
#[cfg(test)]
mod front;
#[cfg(test)]
mod gemini;
#[cfg(test)]
mod headers;
#[cfg(test)]
mod kinds;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod lists;
#[cfg(test)]
mod matrix;
#[cfg(test)]
mod names;
#[cfg(test)]
mod program;
#[cfg(test)]
mod rewriting;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod shapes;
#[cfg(test)]
mod side;
#[cfg(test)]
mod thinking;
#[cfg(test)]
mod timing;
#[cfg(test)]
mod usage;
#[cfg(test)]
mod watching;
