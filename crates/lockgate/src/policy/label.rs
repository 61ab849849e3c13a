//! `lockgate policy label` and `lockgate policy stats`: people say whether policies were right, and what that adds up to.

use clap::{Args, ValueEnum};
use http::Method;
use serde_json::{Value, json};
use url::form_urlencoded::Serializer;

use crate::call::{more, segment, text};
use crate::exit::{Exit, Failure};
use crate::office::{Office, OfficeArgs};
use crate::quantity::{ago, money, span};
use crate::screen::{FAINT, Screen, count, styled};
use crate::table::Table;

/// Arguments of `lockgate policy label`.
#[derive(Debug, Args)]
pub struct LabelArgs {
    #[command(flatten)]
    office: OfficeArgs,
    /// The call's id.
    #[arg(value_name = "CALL")]
    call: String,
    /// The number of the decision: `lockgate policy stats POLICY` and `lockgate call show` print it.
    #[arg(value_name = "NUMBER")]
    number: u32,
    /// Whether the policy was right; `none` takes back what was said.
    #[arg(value_enum)]
    verdict: Opinion,
    /// Why, up to 500 characters; secrets in it are masked.
    #[arg(long, value_name = "WORDS")]
    note: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// What a person says of a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Opinion {
    /// What the policy said is true.
    Right,
    /// It should not have said it.
    Wrong,
    /// Nothing any more.
    None,
}

/// Says whether a policy was right.
pub fn label(args: &LabelArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let path = format!("/api/calls/{}/decisions/{}/label", segment(&args.call), args.number);
    let office = Office::open(&args.office)?;
    let word = match args.verdict {
        Opinion::Right => "right",
        Opinion::Wrong => "wrong",
        Opinion::None => {
            office.ask(Method::DELETE, &path, None)?;
            if args.json {
                screen.json(&Value::Null)?;
            } else {
                screen.line(&format!("Nothing is said of decision {} of {} now.", args.number, args.call))?;
            }
            return Ok(Exit::Ok);
        }
    };
    let told = office.ask(Method::PUT, &path, Some(&json!({"verdict": word, "note": args.note})))?;
    if args.json {
        screen.json(&told)?;
    } else {
        screen.line(&format!("Decision {} of {} was {word}.", args.number, args.call))?;
    }
    Ok(Exit::Ok)
}

/// Arguments of `lockgate policy stats`.
#[derive(Debug, Args)]
pub struct StatsArgs {
    #[command(flatten)]
    office: OfficeArgs,
    /// A policy: its verdicts are listed too, to look at and to label.
    #[arg(value_name = "POLICY")]
    policy: Option<String>,
    /// Only this rule of it.
    #[arg(long, value_name = "NAME", requires = "policy")]
    rule: Option<String>,
    /// From when: 2026-11-21, 2026-11-21T08:00:00Z, or how long ago (90m, 24h, 7d).
    #[arg(long, value_name = "TIME", default_value = "30d")]
    since: String,
    /// Until when, not included.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// List only verdicts that nobody has spoken of.
    #[arg(long, requires = "policy")]
    unlabelled: bool,
    /// List only what would have been done, and was not.
    #[arg(long, requires = "policy")]
    would_have: bool,
    /// How many verdicts are listed: 1 to 500.
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=500))]
    limit: u16,
    /// Where the list before ended: its `next`.
    #[arg(long, value_name = "CURSOR", requires = "policy")]
    cursor: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

impl StatsArgs {
    fn query(&self, more: &[(&str, &str)]) -> String {
        let mut query = Serializer::new(String::new());
        query.append_pair("since", &self.since);
        for (name, value) in [("until", &self.until), ("policy", &self.policy), ("rule", &self.rule)] {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        query.extend_pairs(more);
        query.finish()
    }

    fn verdicts(&self, office: &Office) -> Result<Value, Failure> {
        let limit = self.limit.to_string();
        let mut more = vec![("limit", limit.as_str())];
        if self.unlabelled {
            more.push(("labelled", "false"));
        }
        if self.would_have {
            more.push(("applied", "false"));
        }
        more.extend(self.cursor.as_deref().map(|cursor| ("cursor", cursor)));
        office.get(&format!("/api/policies/verdicts?{}", self.query(&more)))
    }
}

/// Says what policies said and what people said of it.
pub fn stats(args: &StatsArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let office = Office::open(&args.office)?;
    let stats = office.get(&format!("/api/policies/stats?{}", args.query(&[])))?;
    let verdicts = args.policy.as_ref().map(|_| args.verdicts(&office)).transpose()?;
    if args.json {
        let mut all = stats;
        if let (Value::Object(fields), Some(verdicts)) = (&mut all, verdicts) {
            fields.insert("verdicts".to_owned(), verdicts);
        }
        screen.json(&all)?;
        return Ok(Exit::Ok);
    }
    figures(&stats, screen)?;
    if let Some(verdicts) = verdicts {
        listed(&verdicts, screen)?;
    }
    Ok(Exit::Ok)
}

fn figures(stats: &Value, screen: &mut Screen) -> Result<(), Failure> {
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let noun = |value: &Value, noun: &str| count(usize::try_from(number(value)).unwrap_or(usize::MAX), noun);
    screen.line(&format!(
        "{} with {}",
        noun(&stats["calls"], "call"),
        noun(&stats["tool_calls"], "tool call")
    ))?;
    let policies = stats["policies"].as_array().map_or(&[][..], Vec::as_slice);
    if policies.is_empty() {
        return screen.line("No policy said anything.");
    }
    screen.line("")?;
    let mut table = Table::new(&[
        "POLICY",
        "RULE",
        "FIRED",
        "DONE",
        "NOT DONE",
        "FAILED",
        "RIGHT",
        "WRONG",
        "PRECISION",
        "WRONG/100",
        "MAY REFUSE",
    ]);
    for policy in policies {
        table.row(cells(text(&policy["policy"]), String::new(), policy));
        let rules = policy["rules"].as_array().map_or(&[][..], Vec::as_slice);
        for rule in rules {
            let name = rule["rule"].as_str().unwrap_or("(none)").to_owned();
            table.row(cells(String::new(), name, rule));
        }
    }
    table.show(screen)?;
    for policy in policies {
        if let Some(missing) = policy["missing"].as_str() {
            screen.paragraph("", &styled(FAINT, &format!("{}: {missing}", text(&policy["policy"]))))?;
        }
    }
    for policy in policies {
        let name = text(&policy["policy"]);
        questions(&policy["questions"], &|words| format!("{name}: {words}"), screen)?;
    }
    questions(&stats["questions"], &|words| format!("all policies: {words}"), screen)
}

/// Says what was asked of models, if anything was.
fn questions(asked: &Value, about: &dyn Fn(&str) -> String, screen: &mut Screen) -> Result<(), Failure> {
    let number = |name: &str| asked[name].as_u64().unwrap_or(0);
    if number("calls") == 0 {
        return Ok(());
    }
    let calls = count(usize::try_from(number("calls")).unwrap_or(usize::MAX), "question");
    let mut words = format!("{calls} to models, {} in all", money(asked["cost_nano"].as_i64()));
    if number("unpriced") > 0 {
        words = format!("{words} and {} of unknown cost", number("unpriced"));
    }
    words = format!("{words}, answered in {} on average", span(asked["mean_us"].as_i64()));
    screen.paragraph("", &about(&words))
}

fn cells(policy: String, rule: String, of: &Value) -> Vec<String> {
    let some = |name: &str| {
        of[name].as_u64().filter(|number| *number > 0).map_or_else(String::new, |number| number.to_string())
    };
    let percent = |value: &Value| value.as_f64().map(|share| format!("{:.0}", 100.0 * share));
    let precision = &of["precision"];
    let shown = match (percent(&precision["value"]), percent(&precision["low"]), percent(&precision["high"]))
    {
        (Some(value), Some(low), Some(high)) => format!("{value} % ({low}-{high})"),
        _ => String::new(),
    };
    let wrong = of["wrong_per_100_tool_calls"].as_f64().map_or_else(String::new, |rate| format!("{rate:.2}"));
    let may = if of["promotable"] == true { "yes" } else { "no" };
    vec![
        policy,
        rule,
        some("fired"),
        some("applied"),
        some("would_have"),
        some("failed"),
        some("right"),
        some("wrong"),
        shown,
        wrong,
        may.to_owned(),
    ]
}

fn listed(verdicts: &Value, screen: &mut Screen) -> Result<(), Failure> {
    let items = verdicts["items"].as_array().map_or(&[][..], Vec::as_slice);
    if items.is_empty() {
        return Ok(());
    }
    screen.line("")?;
    let mut table = Table::new(&["WHEN", "SAID", "DONE", "TOOL", "LABEL", "CALL", "NUMBER", "RULE"]);
    for item in items {
        table.row(vec![
            ago(&item["started"]),
            text(&item["said"]),
            if item["applied"] == true { "yes" } else { "no" }.to_owned(),
            text(&item["tool"]),
            text(&item["label"]["verdict"]),
            text(&item["call"]),
            item["number"].to_string(),
            text(&item["rule"]),
        ]);
    }
    table.show(screen)?;
    more(verdicts, screen)?;
    screen.line(&styled(
        FAINT,
        "\nwhat it was: lockgate call show CALL; to label it: lockgate policy label CALL NUMBER right|wrong",
    ))
}
