//! What configuration promises, tested from outside: one binary, one file per promise.

#[cfg(test)]
mod broken;
#[cfg(test)]
mod generated;
#[cfg(test)]
mod layers;
#[cfg(test)]
mod random;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod support;
