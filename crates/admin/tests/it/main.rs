//! The admin API over a real database: what is shown to whom, how it is described, what is refused and in which words.

#[cfg(test)]
mod document;
#[cfg(test)]
mod feedback;
#[cfg(test)]
mod guards;
#[cfg(test)]
mod history;
#[cfg(test)]
mod retention;
#[cfg(test)]
mod support;
#[cfg(test)]
mod trust;
