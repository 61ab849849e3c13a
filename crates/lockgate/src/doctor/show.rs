//! The report, for people and as JSON. The JSON's fields and words are stable.

use serde_json::{Value, json};

use super::finding::{Area, Check, Level};
use crate::exit::Failure;
use crate::screen::{ATTENTION, BAD, FAINT, GOOD, STRONG, Screen, count, styled};

/// `{version, ok, errors, warnings, checks: [{area, name, status, message, advice}]}`.
pub(super) fn json(checks: &[Check]) -> Value {
    let of = |level| checks.iter().filter(|check| check.level == level).count();
    let shown = checks.iter().map(|check| {
        json!({
            "area": check.area.name(),
            "name": check.name,
            "status": check.level.name(),
            "message": check.message,
            "advice": check.advice,
        })
    });
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "ok": !checks.iter().any(|check| check.level.is_finding()),
        "errors": of(Level::Error),
        "warnings": of(Level::Warning),
        "checks": shown.collect::<Value>(),
    })
}

pub(super) fn text(screen: &mut Screen, checks: &[Check]) -> Result<(), Failure> {
    for area in Area::ALL {
        let here: Vec<&Check> = checks.iter().filter(|check| check.area == area).collect();
        if here.is_empty() {
            continue;
        }
        screen.line(&styled(STRONG, area.heading()))?;
        let width =
            here.iter().map(|check| check.name.chars().count()).filter(|n| *n <= 18).max().unwrap_or(0);
        for check in here {
            one(screen, check, width)?;
        }
        screen.line("")?;
    }
    let findings = checks.iter().filter(|check| check.level.is_finding()).count();
    match findings {
        0 => screen.line(&styled(GOOD, "Nothing to do.")),
        n => screen.line(&styled(ATTENTION, &format!("{}; → says what to do.", count(n, "finding")))),
    }
}

fn one(screen: &mut Screen, check: &Check, width: usize) -> Result<(), Failure> {
    let mark = match check.level {
        Level::Error => styled(BAD, "✗"),
        Level::Good => styled(GOOD, "✓"),
        Level::Note => styled(FAINT, "·"),
        Level::Warning => styled(ATTENTION, "!"),
    };
    if check.name.chars().count() > width {
        // A long name, such as a path, has a line of its own where the message would be squeezed.
        screen.paragraph(&format!("  {mark} "), &format!("{}: {}", check.name, check.message))?;
    } else {
        screen.paragraph(&format!("  {mark} {:<width$}  ", check.name), &check.message)?;
    }
    match &check.advice {
        Some(advice) => screen.paragraph(&format!("    {} ", styled(STRONG, "→")), advice),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_report_fits_a_narrow_window_and_loses_no_word() {
        let checks = [
            Check::new(Area::Providers, "groq", Level::Good, "17 models"),
            Check::new(
                Area::Providers,
                "work",
                Level::Error,
                "the provider does not accept the key that it was sent",
            )
            .advice("set WORK_KEY to a key that is valid, and restart"),
        ];
        let written = Written::default();
        text(&mut Screen::to(written.clone(), 40), &checks).unwrap();
        let shown = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert!(shown.lines().all(|line| line.chars().count() <= 40), "{shown}");
        let words: Vec<&str> = shown.split_whitespace().collect();
        let words = words.join(" ");
        assert!(words.contains("does not accept the key that it was sent"), "{shown}");
        assert!(words.contains("→ set WORK_KEY to a key that is valid, and restart"), "{shown}");
        assert!(words.contains("1 finding;"), "{shown}");
    }
}
