//! How much to think, in the words of the model that the request goes to.
//!
//! Older Claude models think within a budget, newer ones decide by themselves and take an effort; an effort becomes a
//! budget and a budget an effort where the model needs the other one. A budget always leaves room for the answer.

use lockgate_core::{Conversation, ReasoningRequest, ToolChoice};
use serde::Serialize;

use super::claude::Claude;
use super::turns::UnderWay;
use crate::{Loss, Target};

/// The least budget that Anthropic takes.
const LEAST: u64 = 1024;

/// What a request says about thinking and its bound on output.
#[derive(Debug, Default)]
pub(super) struct Plan<'a> {
    pub(super) effort: Option<&'a str>,
    pub(super) max_tokens: u64,
    pub(super) thinking: Option<ThinkingOut>,
}

/// The field `thinking`.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ThinkingOut {
    Adaptive {
        #[serde(skip_serializing_if = "Option::is_none")]
        display: Option<&'static str>,
    },
    Disabled,
    Enabled {
        budget_tokens: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        display: Option<&'static str>,
    },
}

impl Plan<'_> {
    /// Whether the model will think.
    pub(super) fn thinks(&self) -> bool {
        match self.thinking {
            Some(ThinkingOut::Adaptive { .. } | ThinkingOut::Enabled { .. }) => true,
            Some(ThinkingOut::Disabled) | None => false,
        }
    }
}

/// Plans the thinking of a request.
pub(super) fn plan<'a>(
    conversation: &'a Conversation,
    target: &Target<'_>,
    claude: Claude,
    under_way: UnderWay,
    loss: &mut Loss,
) -> Plan<'a> {
    let given = conversation.sampling.max_tokens;
    let mut plan = Plan { max_tokens: given.unwrap_or(target.default_max_tokens), ..Plan::default() };
    let Some(wanted) = &conversation.reasoning else { return plan };
    let effort = wanted.effort.as_deref().filter(|effort| *effort != "none");
    let off = wanted.enabled == Some(false) || wanted.effort.as_deref() == Some("none");
    // A model that must call a tool must not think first.
    let forced = !claude.is_foreign() && must_call(conversation);
    if off || forced {
        if forced && !off || off && claude.always_thinks() {
            loss.note("reasoning");
        }
        plan.thinking =
            (claude.thinks_by_default() && !claude.always_thinks()).then_some(ThinkingOut::Disabled);
        plan.effort = effort_word(effort, claude, loss);
    } else if !claude.thinks() {
        loss.note("reasoning");
    } else if claude.takes_adaptive() && (wanted.budget.is_none() || !claude.takes_budget()) {
        plan.thinking = Some(ThinkingOut::Adaptive { display: display(wanted, claude, loss) });
        plan.effort = effort_word(effort, claude, loss);
        if let Some(budget) = wanted.budget {
            loss.note("budget_tokens");
            plan.effort = plan.effort.or(Some(effort_of(budget)));
        }
    } else if under_way == UnderWay::Words && !claude.is_foreign() {
        // With a budget, an answer under way must begin with its thoughts. Here they are gone (the session came from
        // elsewhere, or was forgotten), so the answer is ended without; the next one may think again.
        loss.note("thinking");
    } else {
        let (budget, max_tokens) = fit(wanted, given, target.default_max_tokens);
        plan.max_tokens = max_tokens;
        match budget {
            Some(budget_tokens) => {
                if wanted.budget.is_some_and(|asked| asked != budget_tokens) {
                    loss.note("budget_tokens");
                }
                let display = display(wanted, claude, loss);
                plan.thinking = Some(ThinkingOut::Enabled { budget_tokens, display });
                plan.effort = effort.and_then(|effort| claude.effort(effort));
            }
            None => loss.note("reasoning"),
        }
    }
    plan
}

fn must_call(conversation: &Conversation) -> bool {
    let required = match &conversation.tool_choice {
        Some(ToolChoice::Among { required, .. }) => *required,
        Some(ToolChoice::Required) => true,
        Some(ToolChoice::Auto | ToolChoice::None) | None => false,
    };
    required && !conversation.tools.is_empty()
}

fn effort_word<'a>(wanted: Option<&'a str>, claude: Claude, loss: &mut Loss) -> Option<&'a str> {
    let wanted = wanted?;
    let word = claude.effort(wanted);
    if word.is_some() {
        return word;
    }
    loss.note("effort");
    // The next weaker word that the model has.
    matches!(wanted, "max" | "xhigh").then(|| claude.effort("high")).flatten()
}

/// Whether thoughts are shown. Compatible servers know no such setting and show them.
fn display(wanted: &ReasoningRequest, claude: Claude, loss: &mut Loss) -> Option<&'static str> {
    match wanted.summary.as_deref() {
        None => None,
        Some("omitted") if claude.is_foreign() => {
            loss.note("display");
            None
        }
        Some("omitted") => Some("omitted"),
        // Shown is what older models do by themselves, and saying so does no harm.
        Some(_) => (!claude.is_foreign()).then_some("summarized"),
    }
}

/// The budget for an effort; a model that shall decide by itself but cannot gets room for hard questions.
fn budget_of(effort: Option<&str>) -> u64 {
    match effort {
        Some("minimal") => LEAST,
        Some("low") => 2048,
        Some("medium") => 8192,
        Some("max" | "xhigh") => 24_576,
        Some(_) | None => 16_384,
    }
}

/// The effort for a budget. Never more than `high`: a bound is no wish for more.
fn effort_of(budget: u64) -> &'static str {
    match budget {
        0..=2048 => "low",
        2049..=8192 => "medium",
        _ => "high",
    }
}

/// A budget that leaves room below the bound on output, and the bound. `None` = no room to think.
fn fit(wanted: &ReasoningRequest, given: Option<u64>, default: u64) -> (Option<u64>, u64) {
    const ROOM: u64 = 8192;
    let budget = wanted.budget.unwrap_or_else(|| budget_of(wanted.effort.as_deref())).max(LEAST);
    let Some(max) = given else {
        // A budget that we chose leaves half of what the model can say to the answer.
        let chosen = wanted.budget.is_none() && default > budget;
        let budget = if chosen { budget.min((default / 2).max(LEAST)) } else { budget };
        return (Some(budget), default.max(budget.saturating_add(ROOM)));
    };
    // A budget that we chose leaves a fifth to the answer; one that the client chose is its own affair.
    let most = if wanted.budget.is_some() { max.saturating_sub(1) } else { max / 5 * 4 };
    ((most >= LEAST).then_some(budget.min(most)), max)
}
