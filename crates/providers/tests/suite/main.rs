//! What the providers do, seen from outside: the requests they make and the page that describes them.

#[cfg(test)]
mod docs;
#[cfg(test)]
mod requests;
