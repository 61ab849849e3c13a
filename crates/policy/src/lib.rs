//! May this happen? Policies on requests, answers and tool calls. Pure: a policy is given what came and says what shall become of
//! it; whatever needs the world (a judge, a person, a webhook) it asks for as a value, and the engine asks it.

pub mod paths;
pub mod shell;
