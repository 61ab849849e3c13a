//! `/api/policies/stats` and `/api/policies/verdicts`: what policies said, what people said of it, and whether that is enough to let them refuse.
//!
//! Counting is the store's (`store::verdicts`), the arithmetic of trust is the policies' (`policy::trust`). For viewers.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use lockgate_policy::trust::{Bounds, Evidence, Share, promotable};
use lockgate_store::verdicts::{Questions, Tally, Verdict, VerdictFilter};
use lockgate_store::{Cursor, PageRequest};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::App;
use crate::filter::{limit, moment};
use crate::guard::{Guard, Role, guarded};
use crate::input::Asked;
use crate::labels::LabelView;
use crate::problem::Problem;
use crate::spans::Span;
use crate::view::{Listed, time};

/// The session that a gateway records its questions to models in.
const JUDGES: &str = "lockgate-judges";

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(guarded(Guard::From(Role::Viewer), routes!(stats)))
        .merge(guarded(Guard::From(Role::Viewer), routes!(verdicts)))
}

/// Which verdicts; all conditions must hold.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct VerdictQuery {
    /// Whether they were carried out (`/api/policies/verdicts` only).
    applied: Option<bool>,
    /// Where the page before ended: its `next` (`/api/policies/verdicts` only).
    cursor: Option<String>,
    /// Whether people have spoken of them (`/api/policies/verdicts` only).
    labelled: Option<bool>,
    /// How many entries a page has: 1 to 500 (more is taken as 500), 50 if not given (`/api/policies/verdicts` only).
    limit: Option<u16>,
    /// The policy.
    policy: Option<String>,
    /// The rule of the policy.
    rule: Option<String>,
    /// From when, included: a time, a day, or how long ago (`24h`, `7d`).
    #[param(example = "7d")]
    since: Option<String>,
    /// Until when, not included; like `since`.
    until: Option<String>,
}

impl VerdictQuery {
    fn filter(self) -> Result<(VerdictFilter, PageRequest), Problem> {
        let now = Timestamp::now();
        let at = |name: &str, text: Option<String>| text.map(|text| moment(name, &text, now)).transpose();
        let after = self.cursor.map(|text| {
            text.parse::<Cursor>().map_err(|error| Problem::invalid(format!("`cursor` is {error}")))
        });
        let page = PageRequest { after: after.transpose()?, limit: limit(self.limit)? };
        let filter = VerdictFilter {
            applied: self.applied,
            from_us: at("since", self.since)?,
            labelled: self.labelled,
            notes: false,
            policy: self.policy,
            rule: self.rule,
            to_us: at("until", self.until)?,
        };
        Ok((filter, page))
    }
}

/// A share with its 95 % interval.
#[derive(Serialize, ToSchema)]
struct ShareView {
    /// As counted.
    value: f64,
    /// The lower end.
    low: f64,
    /// The upper end.
    high: f64,
}

impl From<Share> for ShareView {
    fn from(share: Share) -> Self {
        Self { value: share.value, low: share.low, high: share.high }
    }
}

/// What is known of the verdicts of a policy, or of a rule.
#[derive(Serialize, ToSchema)]
struct Figures {
    /// Verdicts that said more than a note.
    fired: u64,
    /// Those that were carried out.
    applied: u64,
    /// Those that were not, because the policy's mode does not go that far.
    would_have: u64,
    /// Those that say that the policy could not judge.
    failed: u64,
    /// Those that people have spoken of.
    labelled: u64,
    /// Those that they called right.
    right: u64,
    /// Those that they called wrong.
    wrong: u64,
    /// The share of the labelled ones that is right; `null` = nobody has spoken.
    precision: Option<ShareView>,
    /// Wrong verdicts for a hundred tool calls, if the others are wrong as often as the labelled ones; `null` = not known.
    wrong_per_100_tool_calls: Option<f64>,
    /// Whether that is enough to let it refuse.
    promotable: bool,
    /// What is missing for that.
    missing: Option<String>,
}

impl Figures {
    fn of(tally: &Tally, tool_calls: u64, bounds: &Bounds) -> Self {
        let evidence = Evidence { fired: tally.fired, right: tally.right, tool_calls, wrong: tally.wrong };
        let missing = promotable(&evidence, bounds).err().map(|why| why.to_string());
        Self {
            fired: tally.fired,
            applied: tally.applied,
            would_have: tally.fired.saturating_sub(tally.applied),
            failed: tally.failed,
            labelled: evidence.labelled(),
            right: tally.right,
            wrong: tally.wrong,
            precision: evidence.precision().map(Into::into),
            wrong_per_100_tool_calls: evidence.wrong_per_100_tool_calls(),
            promotable: missing.is_none(),
            missing,
        }
    }
}

/// A rule.
#[derive(Serialize, ToSchema)]
struct RuleStats {
    /// Its name; `null` = what the policy says without a rule.
    rule: Option<String>,
    /// Its figures.
    #[serde(flatten)]
    figures: Figures,
}

/// A policy.
#[derive(Serialize, ToSchema)]
struct PolicyStats {
    /// Its name.
    policy: String,
    /// Its figures, all rules together.
    #[serde(flatten)]
    figures: Figures,
    /// Its rules, where it has named any.
    rules: Vec<RuleStats>,
    /// What it asked models; `null` = nothing.
    questions: Option<QuestionStats>,
}

/// What was asked of models.
#[derive(Serialize, ToSchema)]
struct QuestionStats {
    /// How many questions.
    calls: u64,
    /// The known costs, nano-USD.
    cost_nano: i64,
    /// Questions whose cost is not known.
    unpriced: u64,
    /// How long an answer took on average, µs.
    mean_us: Option<i64>,
}

impl From<Questions> for QuestionStats {
    fn from(asked: Questions) -> Self {
        Self {
            calls: asked.calls,
            cost_nano: asked.cost_nano,
            unpriced: asked.unpriced,
            mean_us: asked.total_us.checked_div(asked.calls.cast_signed()),
        }
    }
}

/// What policies said in a time, and what people said of it.
#[derive(Serialize, ToSchema)]
struct TrustView {
    /// Calls of that time.
    calls: u64,
    /// Tool calls of that time.
    tool_calls: u64,
    /// What policies asked models, all together.
    questions: QuestionStats,
    /// The policies that said or asked something, by name.
    policies: Vec<PolicyStats>,
}

/// How often policies said something, how often people called that right, and whether it is enough to let them refuse.
#[utoipa::path(get, path = "/api/policies/stats", tag = "policies", params(VerdictQuery),
    responses((status = 200, body = TrustView)))]
async fn stats(
    State(app): State<App>,
    Asked(query): Asked<VerdictQuery>,
) -> Result<Json<TrustView>, Problem> {
    let (filter, _) = query.filter()?;
    let filter = VerdictFilter { applied: None, labelled: None, ..filter };
    let (wanted, rule_wanted) = (filter.policy.clone(), filter.rule.clone());
    let told = app.store()?.tallies(&filter, JUDGES).await?;
    let bounds = app.book.bounds().unwrap_or_default();
    let mut policies: BTreeMap<String, Vec<(Option<String>, Tally)>> = BTreeMap::new();
    for ((policy, rule), tally) in told.rules {
        policies.entry(policy).or_default().push((rule, tally));
    }
    let mut asked: BTreeMap<String, Questions> = BTreeMap::new();
    for (agent, questions) in &told.asked {
        let policy = percent_decode_str(agent).decode_utf8_lossy().into_owned();
        let meant = wanted.as_ref().is_none_or(|name| *name == policy);
        if meant && rule_wanted.is_none() {
            policies.entry(policy.clone()).or_default();
            asked.insert(policy, *questions);
        }
    }
    let policy = |(policy, rules): (String, Vec<(Option<String>, Tally)>)| {
        let mut all = Tally::default();
        for (_, tally) in &rules {
            all.add(tally);
        }
        let named = rules.iter().any(|(rule, _)| rule.is_some());
        let rules = rules
            .into_iter()
            .filter(|_| named)
            .map(|(rule, tally)| RuleStats { rule, figures: Figures::of(&tally, told.tool_calls, &bounds) });
        PolicyStats {
            figures: Figures::of(&all, told.tool_calls, &bounds),
            questions: asked.get(&policy).copied().map(Into::into),
            policy,
            rules: rules.collect(),
        }
    };
    Ok(Json(TrustView {
        calls: told.calls,
        tool_calls: told.tool_calls,
        questions: told.questions.into(),
        policies: policies.into_iter().map(policy).collect(),
    }))
}

/// Why a policy may not refuse yet, by what people have said of what it said in these times.
pub(crate) async fn unproven(
    app: &App,
    policy: &str,
    spans: &[Span],
    bounds: &Bounds,
) -> Result<Option<String>, Problem> {
    let mut all = Tally::default();
    let mut tool_calls = 0;
    for (from, to) in spans {
        let filter = VerdictFilter {
            from_us: Some(*from),
            policy: Some(policy.to_owned()),
            to_us: *to,
            ..VerdictFilter::default()
        };
        let told = app.store()?.tallies(&filter, JUDGES).await?;
        told.rules.values().for_each(|tally| all.add(tally));
        tool_calls += told.tool_calls;
    }
    let evidence = Evidence { fired: all.fired, right: all.right, tool_calls, wrong: all.wrong };
    Ok(promotable(&evidence, bounds).err().map(|why| why.to_string()))
}

/// A verdict.
#[derive(Serialize, ToSchema)]
struct VerdictView {
    /// The call.
    call: Uuid,
    /// The decision's number in the call.
    number: u32,
    /// Where the call is shown.
    href: String,
    /// When the call began (RFC 3339).
    started: String,
    /// The session of the call.
    session: Option<String>,
    /// The policy.
    policy: String,
    /// The rule.
    rule: Option<String>,
    /// Where in the call it was given.
    hook: String,
    /// What was said.
    said: String,
    /// Whether it was carried out.
    applied: bool,
    /// The mode that the policy was in.
    mode: String,
    /// The tool that it is about.
    tool: Option<String>,
    /// What a person says of it.
    label: Option<LabelView>,
}

impl From<Verdict> for VerdictView {
    fn from(verdict: Verdict) -> Self {
        Self {
            href: format!("/api/calls/{}", verdict.call),
            call: verdict.call,
            number: verdict.number,
            started: time(verdict.started_us),
            session: verdict.session,
            policy: verdict.policy,
            rule: verdict.rule,
            hook: verdict.hook,
            said: verdict.said,
            applied: verdict.applied,
            mode: verdict.mode,
            tool: verdict.tool,
            label: verdict.label.map(Into::into),
        }
    }
}

/// Verdicts, the latest first: with `applied=false` what would have been done, with `labelled=false` what nobody has spoken of.
#[utoipa::path(get, path = "/api/policies/verdicts", tag = "policies", params(VerdictQuery),
    responses((status = 200, body = Listed<VerdictView>)))]
async fn verdicts(
    State(app): State<App>,
    Asked(query): Asked<VerdictQuery>,
) -> Result<Json<Listed<VerdictView>>, Problem> {
    let (filter, page) = query.filter()?;
    Ok(Json(Listed::of(app.store()?.verdicts(&filter, &page).await?)))
}
