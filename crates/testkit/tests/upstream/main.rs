//! The upstream proved over real HTTP: frames of each dialect, each fault, each refusal, the record. Uses a client of
//! its own that shows what libraries hide: chunk borders, resets, cut bodies.

#[cfg(test)]
mod chaos;
#[cfg(test)]
mod frames;
#[cfg(test)]
mod record;
#[cfg(test)]
mod scripts;
#[cfg(test)]
mod strange;
#[cfg(test)]
mod support;
#[cfg(test)]
mod validation;
