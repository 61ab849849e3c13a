//! What users of this dialect get, on whole requests and answers.

mod answers;
mod requests;
