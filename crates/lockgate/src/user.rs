//! `lockgate user` and `lockgate admin`: who can log in. The admin API does it; here are arguments and how answers look.

use clap::Args;
use http::Method;
use lockgate_admin::{FIRST_USER, SECRET_FILE};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use crate::exit::{Exit, Failure};
use crate::office::{Office, OfficeArgs, folder};
use crate::screen::{STRONG, Screen, styled};

/// What somebody may do, the least first.
pub(crate) const ROLES: [&str; 4] = ["self", "viewer", "operator", "admin"];

/// Arguments of `lockgate user add`.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// The user's name.
    pub name: String,
    /// What the user may do: self, viewer, operator, admin.
    #[arg(long, default_value = "self", value_parser = ROLES)]
    pub role: String,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Where the database is.
    #[command(flatten)]
    pub office: OfficeArgs,
}

/// Makes a user with a password that is generated.
pub fn add(args: &AddArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let body = json!({"name": args.name, "role": args.role});
    let user = Office::open(&args.office)?.ask(Method::POST, "/api/users", Some(&body))?;
    told(&user, args.json, screen)
}

/// Arguments of `lockgate user list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Where the database is.
    #[command(flatten)]
    pub office: OfficeArgs,
}

/// Prints who can log in.
pub fn list(args: &ListArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let users = Office::open(&args.office)?.get("/api/users")?;
    if args.json {
        screen.json(&users)?;
        return Ok(Exit::Ok);
    }
    for user in users["items"].as_array().into_iter().flatten() {
        print(user, screen)?;
    }
    Ok(Exit::Ok)
}

/// Arguments of `lockgate user set`.
#[derive(Debug, Args)]
pub struct SetArgs {
    /// The user's name.
    pub name: String,
    /// What the user may do from now on.
    #[arg(long, value_parser = ROLES)]
    pub role: Option<String>,
    /// Close the account: no login, and its keys are refused.
    #[arg(long, conflicts_with = "enable")]
    pub disable: bool,
    /// Open the account again.
    #[arg(long)]
    pub enable: bool,
    /// Generate a new password and print it.
    #[arg(long)]
    pub new_password: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Where the database is.
    #[command(flatten)]
    pub office: OfficeArgs,
}

/// Changes a user.
pub fn set(args: &SetArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let mut change = Map::new();
    if let Some(role) = &args.role {
        change.insert("role".to_owned(), role.clone().into());
    }
    if args.disable || args.enable {
        change.insert("disabled".to_owned(), args.disable.into());
    }
    if args.new_password {
        change.insert("password".to_owned(), "".into());
    }
    if change.is_empty() {
        return Err(Failure::usage("nothing to change").hint("--role, --disable, --enable or --new-password"));
    }
    let user = Office::open(&args.office)?.ask(Method::PATCH, &path(&args.name), Some(&change.into()))?;
    told(&user, args.json, screen)
}

/// Arguments of `lockgate user show` and `logout`.
#[derive(Debug, Args)]
pub struct OneArgs {
    /// The user's name.
    pub name: String,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Where the database is.
    #[command(flatten)]
    pub office: OfficeArgs,
}

/// Prints one user.
pub fn show(args: &OneArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let user = Office::open(&args.office)?.get(&path(&args.name))?;
    told(&user, args.json, screen)
}

/// Ends every login of a user.
pub fn log_out(args: &OneArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let path = format!("{}/logins", path(&args.name));
    Office::open(&args.office)?.ask(Method::DELETE, &path, None)?;
    if args.json {
        screen.json(&json!({"logged_out": args.name}))?;
    } else {
        screen.line(&format!("every login of {} is over; the user's keys go on", args.name))?;
    }
    Ok(Exit::Ok)
}

/// Arguments of `lockgate user remove`.
#[derive(Debug, Args)]
pub struct RemoveArgs {
    /// The user's name.
    pub name: String,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Where the database is.
    #[command(flatten)]
    pub office: OfficeArgs,
}

/// Removes a user and revokes the user's keys.
pub fn remove(args: &RemoveArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    Office::open(&args.office)?.ask(Method::DELETE, &path(&args.name), None)?;
    if args.json {
        screen.json(&json!({"removed": args.name}))?;
    } else {
        screen.line(&format!("removed {}; the keys of that name are revoked", args.name))?;
    }
    Ok(Exit::Ok)
}

/// Arguments of `lockgate admin reset-secret`.
#[derive(Debug, Args)]
pub struct ResetArgs {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// The configuration file that names the database. Default: the one that `lockgate serve` would read.
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<std::path::PathBuf>,
}

/// Gives the user `admin` a new generated password, and makes that user where it is missing.
pub fn reset_secret(args: &ResetArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let office = OfficeArgs { config: args.config.clone(), ..OfficeArgs::default() };
    let folder = folder(&office)?;
    let asked = Office::open(&office)?;
    let change = json!({"role": "admin", "disabled": false, "password": ""});
    let user = match asked.ask(Method::PATCH, &path(FIRST_USER), Some(&change)) {
        Err(failure) if failure.exit == Exit::Finding => {
            asked.ask(Method::POST, "/api/users", Some(&json!({"name": FIRST_USER, "role": "admin"})))?
        }
        changed => changed?,
    };
    let file = folder.join(SECRET_FILE);
    let secret = user["password"].as_str().unwrap_or_default();
    lockgate_admin::write_secret(&folder, secret).map_err(|error| Failure::file("write", &file, &error))?;
    if args.json {
        screen.json(&json!({"user": FIRST_USER, "file": file.display().to_string()}))?;
    } else {
        let words = format!(
            "The new password of {FIRST_USER} is in {}; every login of {FIRST_USER} is over.",
            file.display()
        );
        screen.paragraph("", &words)?;
    }
    Ok(Exit::Ok)
}

fn path(name: &str) -> String {
    format!("/api/users/{}", utf8_percent_encode(name, NON_ALPHANUMERIC))
}

fn told(user: &Value, json: bool, screen: &mut Screen) -> Result<Exit, Failure> {
    if json {
        screen.json(user)?;
        return Ok(Exit::Ok);
    }
    print(user, screen)?;
    if let Some(password) = user["password"].as_str() {
        screen.paragraph("  password    ", password)?;
        screen.line("")?;
        screen.paragraph("", "Shown once. The user changes it with POST /api/me/password.")?;
    }
    Ok(Exit::Ok)
}

fn print(user: &Value, screen: &mut Screen) -> Result<(), Failure> {
    let text = |name: &str| user[name].as_str().unwrap_or_default();
    screen.line(&styled(STRONG, text("name")))?;
    screen.paragraph("  role        ", text("role"))?;
    if user["disabled"].as_bool() == Some(true) {
        screen.paragraph("  account     ", "closed")?;
    }
    screen.paragraph("  created     ", text("created"))?;
    Ok(())
}
