//! The conditions of rules, in CEL: read once, with what they ask for.

use std::sync::{Arc, LazyLock};

use cel::common::ast::{EntryExpr, Expr, MapExpr, StructExpr};
use cel::{Env, IdedExpr, Program};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A condition in CEL.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("format" = "cel"))]
pub struct Condition {
    pub(super) asks: Asks,
    pub(super) program: Arc<Program>,
    pub(super) text: String,
}

/// What conditions ask for that has to be found out.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Asks {
    pub(super) commands: bool,
    pub(super) hosts: bool,
    pub(super) paths: bool,
    /// Where text came from.
    pub(super) provenance: bool,
    /// The texts of the request.
    pub(super) request: bool,
}

impl Asks {
    /// What both ask for.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            commands: self.commands || other.commands,
            hosts: self.hosts || other.hosts,
            paths: self.paths || other.paths,
            provenance: self.provenance || other.provenance,
            request: self.request || other.request,
        }
    }
}

/// What a condition may name.
const NAMES: [&str; 9] =
    ["args", "call", "commands", "hosts", "paths", "provenance", "request", "text", "tool"];

impl TryFrom<String> for Condition {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let program = ENV.compile(&text).map_err(|errors| {
            let words = errors.to_string();
            format!("not a condition in CEL: {}", words.lines().next().unwrap_or_default())
        })?;
        let (unknown, asks) = {
            let references = program.references();
            let names = references.variables();
            let own = bound(program.expression());
            let is_known = |name: &str| NAMES.contains(&name) || own.contains(&name) || name.starts_with('@');
            let unknown = names.iter().find(|name| !is_known(name));
            let has = |name: &str| names.contains(&name);
            let asks = Asks {
                commands: has("commands"),
                hosts: has("hosts"),
                paths: has("paths"),
                provenance: has("provenance"),
                request: has("request"),
            };
            (unknown.map(|name| (*name).to_owned()), asks)
        };
        if let Some(name) = unknown {
            return Err(format!("a condition knows {}, but not `{name}`", NAMES.join(", ")));
        }
        Ok(Self { asks, program: Arc::new(program), text })
    }
}

/// The names that a condition makes up itself: `t` in `request.texts.exists(t, …)`.
fn bound(condition: &IdedExpr) -> Vec<&str> {
    let mut names = Vec::new();
    let mut open = vec![condition];
    while let Some(next) = open.pop() {
        match &next.expr {
            Expr::Call(call) => {
                open.extend(call.target.as_deref());
                open.extend(&call.args);
            }
            Expr::Comprehension(over) => {
                names.push(over.iter_var.as_str());
                names.extend(over.iter_var2.as_deref());
                open.extend([
                    &over.iter_range,
                    &over.accu_init,
                    &over.loop_cond,
                    &over.loop_step,
                    &over.result,
                ]);
            }
            Expr::List(list) => open.extend(&list.elements),
            Expr::Map(MapExpr { entries }) | Expr::Struct(StructExpr { entries, .. }) => {
                open.extend(entries.iter().flat_map(|entry| match &entry.expr {
                    EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
                    EntryExpr::StructField(field) => vec![&field.value],
                }));
            }
            Expr::Select(select) => open.push(&select.operand),
            Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => {}
        }
    }
    names
}

impl Serialize for Condition {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl std::fmt::Debug for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(&self.text, f)
    }
}

/// The functions of CEL; made once, because that takes longer than a hundred rules.
pub(super) static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));
