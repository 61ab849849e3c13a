//! What users get from the dialect: tests over recorded and written streams, rich requests, errors and lists.

mod answers;
mod catalogue;
mod parsed;
mod settings;
mod streams;
mod written;
