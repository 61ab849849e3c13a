//! Programs that run other programs: `sudo`, `env`, `xargs`, `find -exec`, `ssh`, `docker exec`, `timeout` and their like. The wrapper
//! is taken off and the command in it is read as if it stood there, in the context that the wrapper gives it.

use super::Unreadable;
use super::builtin::join;
use super::call::program;
use super::fact::{Direction, Fact};
use super::param::assignment;
use super::path::UNKNOWN;
use super::reader::{Reader, Stream};
use super::redirect::Redirects;
use super::run::Run;
use super::word::Word;

/// Wrappers of one shape: options, then so many operands, then the command. The letters take a value.
const PLAIN: &[(&str, &str, usize)] = &[
    ("builtin", "", 0),
    ("busybox", "", 0),
    ("cgexec", "g", 0),
    ("chroot", "", 1),
    ("chrt", "TPD", 1),
    ("catchsegv", "", 0),
    ("command", "", 0),
    ("dbus-run-session", "", 0),
    ("direnv", "", 2),
    ("dotenv", "fe", 0),
    ("doas", "uC", 0),
    ("dumb-init", "", 0),
    ("env", "uCS", 0),
    ("exec", "a", 0),
    ("fakeroot", "", 0),
    ("faketime", "", 1),
    ("firejail", "", 0),
    ("flock", "wE", 1),
    ("gosu", "", 1),
    ("ionice", "cnpPu", 0),
    ("linux32", "", 0),
    ("linux64", "", 0),
    ("ltrace", "eopu", 0),
    ("nice", "n", 0),
    ("nohup", "", 0),
    ("nsenter", "tGSr", 0),
    ("numactl", "CNmip", 0),
    ("pkexec", "", 0),
    ("prlimit", "", 0),
    ("proot", "", 0),
    ("rlwrap", "", 0),
    ("runcon", "", 1),
    ("script", "", 0),
    ("setarch", "", 1),
    ("setpriv", "", 0),
    ("setsid", "", 0),
    ("softlimit", "acdfmnrst", 0),
    ("stdbuf", "ioe", 0),
    ("strace", "eopPsu", 0),
    ("su-exec", "", 1),
    ("sudo", "ugpCDhRTUr", 0),
    ("systemd-inhibit", "", 0),
    ("systemd-run", "upE", 0),
    ("taskset", "", 1),
    ("time", "of", 0),
    ("timeout", "ks", 1),
    ("tini", "", 0),
    ("toybox", "", 0),
    ("torify", "", 0),
    ("torsocks", "", 0),
    ("unbuffer", "", 0),
    ("unshare", "", 0),
    ("watch", "n", 0),
    ("xvfb-run", "ens", 0),
    ("proxychains", "f", 0),
    ("proxychains4", "f", 0),
    ("parallel", "jSIaN", 0),
    ("entr", "", 0),
    ("caffeinate", "tw", 0),
];

/// Options of a wrapper, by their long name, that have their value in the next word.
const LONG: &[&str] = &[
    "--user",
    "--group",
    "--chdir",
    "--unset",
    "--signal",
    "--kill-after",
    "--adjustment",
    "--interval",
    "--delimiter",
    "--max-args",
    "--max-procs",
    "--replace",
    "--unit",
    "--property",
    "--target",
    "--jobs",
    "--sshlogin",
    "--class",
    "--classdata",
];

impl Reader<'_> {
    pub(super) fn unwrap(
        &mut self,
        name: &str,
        words: Vec<Word>,
        stdin: &Stream,
        to: &mut Redirects,
    ) -> Result<Run, Unreadable> {
        match name {
            "find" | "fd" | "fdfind" | "bfs" => self.found(name, words, to),
            "xargs" | "xe" => self.xargs(&words, stdin, to),
            "ssh" | "autossh" | "mosh" => self.remote(words, stdin, to),
            "docker" | "podman" | "nerdctl" | "kubectl" | "oc" | "lxc" | "docker-compose" => {
                self.contained(name, words, stdin, to)
            }
            "su" | "runuser" | "script" | "vim" | "vi" | "nvim" | "flock" => {
                self.with_c(name, words, stdin, to)
            }
            "make" | "npx" => Ok(Run::Words(words)),
            "sed" => self.commands_of(words, sed_commands),
            "git" => self.commands_of(words, git_commands),
            "env" | "nsenter" | "unshare" | "chroot" | "pkexec" => {
                to.facts.extend(super::effects::wrapper(name, &words));
                self.plain(name, words, stdin, to)
            }
            "at" | "batch" => self.fed_later(words, stdin, to),
            _ => self.plain(name, words, stdin, to),
        }
    }

    fn plain(
        &mut self,
        name: &str,
        words: Vec<Word>,
        stdin: &Stream,
        to: &mut Redirects,
    ) -> Result<Run, Unreadable> {
        let Some((_, takes, operands)) = PLAIN.iter().find(|(wrapper, _, _)| *wrapper == name) else {
            return Ok(Run::Words(words));
        };
        let mut at = 1;
        while let Some(text) = words.get(at).map(|word| word.text.as_str()) {
            if text == "--" {
                at += 1;
                break;
            }
            if (name == "env" || name == "sudo") && assignment(text).is_some() {
                if let Some((name, value)) = assignment(text) {
                    let value = vec![Word { text: value.to_owned(), ..words[at].clone() }];
                    to.facts.extend(super::effects::environment(name, &value));
                    self.scope.vars.insert(name.to_owned(), value);
                }
                at += 1;
                continue;
            }
            if !text.starts_with('-') || text.len() < 2 {
                break;
            }
            if name == "env" && (text == "-S" || text == "--split-string") {
                let code = words.get(at + 1).map(|word| word.text.clone()).unwrap_or_default();
                return self.text(&code, Vec::new(), stdin, false).map(Run::Done);
            }
            if name == "command" && matches!(text, "-v" | "-V") {
                return Ok(Run::Words(words));
            }
            at += 1 + usize::from(LONG.contains(&text) || takes_next(text, takes));
        }
        at += operands;
        let before = self.context;
        let elevates = matches!(name, "sudo" | "doas" | "pkexec");
        self.context.elevated |= elevates;
        if at >= words.len() {
            let out = self.leaf(words, stdin, to);
            self.context = before;
            return out.map(Run::Done);
        }
        let rest = words[at..].to_vec();
        // These hand their arguments to a shell, joined.
        let out = match name {
            "watch" | "parallel" | "xvfb-run" if rest.len() == 1 || name == "parallel" => {
                let mut text = join(&rest);
                if name == "parallel" {
                    text = text.split(" ::: ").next().unwrap_or("").to_owned();
                    let given = join(&rest).split(" ::: ").nth(1).map(str::to_owned);
                    let given = given.unwrap_or_else(|| items_of(stdin));
                    text = if text.contains("{}") {
                        text.replace("{}", &given)
                    } else {
                        format!("{text} {given}")
                    };
                }
                self.text(&text, stdin.from.clone(), stdin, false)
            }
            _ => self.run(rest, stdin, to),
        };
        self.context = before;
        out.map(Run::Done)
    }

    /// `su -c TEXT`, `vim -c ':!TEXT'`, `flock FILE -c TEXT`.
    fn with_c(
        &mut self,
        name: &str,
        words: Vec<Word>,
        stdin: &Stream,
        to: &mut Redirects,
    ) -> Result<Run, Unreadable> {
        let code = words.iter().position(|word| matches!(word.text.as_str(), "-c" | "--command" | "+c"));
        let Some(code) = code.and_then(|at| words.get(at + 1)).cloned() else {
            let escape = words.iter().find_map(|word| word.text.strip_prefix("+!").map(str::to_owned));
            if let (Some(text), true) = (escape, name.ends_with("vim") || name == "vi") {
                return self.text(&text, Vec::new(), stdin, false).map(Run::Done);
            }
            return self.plain(name, words, stdin, to);
        };
        let before = self.context;
        self.context.elevated |= matches!(name, "su" | "runuser");
        let text = code.text.trim_start_matches(':').trim_start_matches('!').to_owned();
        let out = match name {
            "vim" | "vi" | "nvim" if !code.text.contains('!') => {
                self.context = before;
                return Ok(Run::Words(words));
            }
            _ => self.text(&text, code.from, stdin, false),
        };
        self.context = before;
        out.map(Run::Done)
    }

    fn fed_later(&mut self, words: Vec<Word>, stdin: &Stream, to: &mut Redirects) -> Result<Run, Unreadable> {
        if words.iter().any(|word| matches!(word.text.as_str(), "-l" | "-V" | "-c" | "-d" | "-r")) {
            return Ok(Run::Words(words));
        }
        to.facts.push(Fact::Persists("leaves a job to be run later"));
        if let Some(text) = stdin.text.clone().filter(|text| !text.trim().is_empty()) {
            self.text(&text, stdin.from.clone(), &Stream::default(), true)?;
        }
        self.leaf(words, stdin, to).map(Run::Done)
    }

    fn found(&mut self, name: &str, words: Vec<Word>, to: &mut Redirects) -> Result<Run, Unreadable> {
        let list = matches!(name, "find" | "bfs");
        let roots: Vec<String> = if list {
            let first = words[1..].iter().skip_while(|word| matches!(word.text.as_str(), "-L" | "-H" | "-P"));
            first
                .take_while(|word| !word.text.starts_with(['-', '(', '!']))
                .map(|word| word.text.clone())
                .collect()
        } else {
            vec![".".to_owned()]
        };
        let roots = if roots.is_empty() { vec![".".to_owned()] } else { roots };
        let pattern = words.windows(2).find(|pair| {
            matches!(pair[0].text.as_str(), "-name" | "-iname" | "-path" | "-ipath" | "-wholename" | "-regex")
        });
        let pattern = pattern.map(|pair| pair[1].text.trim_start_matches("*/").to_owned());
        let named = pattern.clone().unwrap_or_default();
        let listed: Vec<String> = roots
            .iter()
            .map(|root| match named.as_str() {
                "" => root.clone(),
                name => format!("{}/{name}", root.trim_end_matches('/')),
            })
            .collect();
        let starts = ["-exec", "-execdir", "-ok", "-okdir", "-x", "--exec", "-X", "--exec-batch"];
        let mut at = 1;
        while let Some(start) = words[at..].iter().position(|word| starts.contains(&word.text.as_str())) {
            let from = at + start + 1;
            let end = words[from..].iter().position(|word| matches!(word.text.as_str(), ";" | "+"));
            let end = end.map_or(words.len(), |end| from + end);
            let mut inner = Vec::new();
            for word in &words[from..end] {
                match word.text.as_str() {
                    "{}" => inner.extend(listed.iter().map(|path| Word::plain(path))),
                    text => inner.push(Word { text: text.replace("{}", &listed.join(" ")), ..word.clone() }),
                }
            }
            if !list && !words[from..end].iter().any(|word| word.text.contains("{}")) {
                inner.extend(listed.iter().map(|path| Word::plain(path)));
            }
            let mut none = Redirects::default();
            if !inner.is_empty() {
                self.run(inner, &Stream::default(), &mut none)?;
            }
            at = end.max(from);
            if at >= words.len() {
                break;
            }
        }
        if words.iter().any(|word| word.text == "-delete") {
            for root in &listed {
                // What is found by name goes; without a name, all below.
                let recursive = pattern.is_none();
                to.facts.push(Fact::Deletes { path: self.path(root), recursive, forced: true });
            }
        }
        let Run::Done(mut out) = self.leaf(words, &Stream::default(), to).map(Run::Done)? else {
            return Ok(Run::Done(Stream::default()));
        };
        out.items = listed;
        Ok(Run::Done(out))
    }

    fn xargs(&mut self, words: &[Word], stdin: &Stream, to: &mut Redirects) -> Result<Run, Unreadable> {
        let (mut at, mut mark) = (1, None);
        while let Some(text) = words.get(at).map(|word| word.text.as_str()) {
            if text == "--" {
                at += 1;
                break;
            }
            if !text.starts_with('-') {
                break;
            }
            if let Some(given) = text.strip_prefix("-I") {
                let next = words.get(at + 1).map(|word| word.text.clone());
                mark = Some(if given.is_empty() { next.unwrap_or_default() } else { given.to_owned() });
                at += usize::from(given.is_empty());
            } else if text == "-i" || text == "--replace" {
                mark = Some("{}".to_owned());
            } else {
                at += usize::from(takes_next(text, "nLPsdEa") || LONG.contains(&text) && text != "--replace");
            }
            at += 1;
        }
        let file =
            words.windows(2).take(at).find(|pair| matches!(pair[0].text.as_str(), "-a" | "--arg-file"));
        if let Some(pair) = file {
            to.facts.push(Fact::Reads { path: self.path(&pair[1].text), recursive: false });
        }
        let mut inner: Vec<Word> = words[at.min(words.len())..].to_vec();
        if inner.is_empty() {
            inner.push(Word::plain("echo"));
        }
        let given = given(stdin);
        match mark.filter(|mark| !mark.is_empty()) {
            Some(mark) => {
                let text = given.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
                for word in inner.iter_mut().filter(|word| word.text.contains(&mark)) {
                    word.text = word.text.replace(&mark, &text);
                    word.from.extend(&stdin.from);
                }
            }
            None => inner.extend(given),
        }
        // The command gets no input of its own, but what came is in its arguments.
        let silent = Stream { from: stdin.from.clone(), ..Stream::default() };
        let shell = super::builtin::SHELLS.contains(&program(&inner[0].text));
        let input = if shell { Stream::default() } else { silent };
        self.run(inner, &input, to).map(Run::Done)
    }

    /// A program that runs the commands in its arguments, beside what it does itself.
    fn commands_of(&mut self, words: Vec<Word>, find: fn(&[Word]) -> Vec<String>) -> Result<Run, Unreadable> {
        for command in find(&words) {
            self.nested(&command)?;
        }
        Ok(Run::Words(words))
    }

    fn remote(&mut self, words: Vec<Word>, stdin: &Stream, to: &mut Redirects) -> Result<Run, Unreadable> {
        let mut at = 1;
        while let Some(text) = words.get(at).map(|word| word.text.as_str()) {
            if !text.starts_with('-') {
                break;
            }
            at += 1 + usize::from(takes_next(text, "bcDEeFIiJLlmOopQRSWw"));
        }
        let rest: Vec<Word> = words.get(at + 1..).map(<[Word]>::to_vec).unwrap_or_default();
        let host = words.get(at).map(super::word::Word::shown).unwrap_or_default();
        let fed = !stdin.from.is_empty() || stdin.text.is_some();
        let sent = fed || rest.iter().any(|word| !word.from.is_empty() || !word.env.is_empty());
        if sent && !host.is_empty() {
            to.facts.push(Fact::Network { direction: Direction::Upload, host });
        }
        let before = self.context;
        let mut given = Redirects {
            facts: std::mem::take(&mut to.facts),
            from: std::mem::take(&mut to.from),
            ..Redirects::default()
        };
        let first = self.leaf(words, stdin, &mut given)?;
        self.context.remote = true;
        let out = match (rest.is_empty(), &stdin.text) {
            (false, _) => self.text(&join(&rest), Vec::new(), stdin, false)?,
            (true, Some(text)) if !text.trim().is_empty() => {
                let text = text.clone();
                self.text(&text, Vec::new(), &Stream::default(), true)?
            }
            (true, _) => Stream { from: first.from, ..Stream::default() },
        };
        self.context = before;
        Ok(Run::Done(Stream { text: None, ..out }))
    }

    /// `docker exec NAME COMMAND`, `docker run IMAGE COMMAND`, `kubectl exec POD -- COMMAND`.
    fn contained(
        &mut self,
        name: &str,
        words: Vec<Word>,
        stdin: &Stream,
        to: &mut Redirects,
    ) -> Result<Run, Unreadable> {
        let runs = words.iter().position(|word| matches!(word.text.as_str(), "exec" | "run"));
        let Some(verb) = runs.filter(|at| *at <= 6) else { return Ok(Run::Words(words)) };
        let mut at = verb + 1;
        if let Some(dashes) = words.iter().position(|word| word.text == "--") {
            at = dashes + 1;
        } else if matches!(name, "kubectl" | "oc") {
            return Ok(Run::Words(words));
        } else {
            while let Some(text) = words.get(at).map(|word| word.text.as_str()) {
                if !text.starts_with('-') {
                    break;
                }
                let alone = text.contains('=')
                    || SWITCHES.contains(&text)
                    || (text.starts_with('-')
                        && !text.starts_with("--")
                        && text[1..].bytes().all(|b| b"itdPT".contains(&b)));
                at += if alone { 1 } else { 2 };
            }
            at += 1;
        }
        let inner = words.get(at..).map(<[Word]>::to_vec).unwrap_or_default();
        let first = self.leaf(words, stdin, to)?;
        if inner.is_empty() || inner[0].text.starts_with('-') {
            return Ok(Run::Done(Stream { text: None, ..first }));
        }
        let before = self.context;
        self.context.contained = true;
        let mut none = Redirects::default();
        let mut out = self.run(inner, stdin, &mut none)?;
        self.context = before;
        out.from.extend(first.from);
        Ok(Run::Done(out))
    }
}

/// Options of `docker run` and `docker exec` without a value.
const SWITCHES: [&str; 12] = [
    "--rm",
    "--privileged",
    "--detach",
    "--interactive",
    "--tty",
    "--init",
    "--no-deps",
    "--build",
    "--publish-all",
    "--read-only",
    "--service-ports",
    "--quiet-pull",
];

fn takes_next(text: &str, takes: &str) -> bool {
    let letters = text.strip_prefix('-').filter(|rest| !rest.starts_with('-')).unwrap_or("");
    let place = letters.chars().position(|c| takes.contains(c));
    place.is_some_and(|at| at + 1 == letters.chars().count())
}

fn given(stdin: &Stream) -> Vec<Word> {
    let word = |text: &str| Word { text: text.to_owned(), from: stdin.from.clone(), env: stdin.env.clone() };
    match (&stdin.text, stdin.items.is_empty()) {
        (Some(text), _) => text.split_whitespace().take(64).map(word).collect(),
        (None, false) => stdin.items.iter().map(|item| word(item)).collect(),
        (None, true) => vec![word(&UNKNOWN.to_string())],
    }
}

fn items_of(stdin: &Stream) -> String {
    given(stdin).iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
}

/// Commands in programs of `sed`: `e COMMAND`, behind an address or none, up to the end of the line.
fn sed_commands(words: &[Word]) -> Vec<String> {
    let mut found = Vec::new();
    for line in words.iter().skip(1).flat_map(|word| word.text.lines()) {
        let starts = line.match_indices([';', '{']).map(|(at, _)| at + 1);
        for start in std::iter::once(0).chain(starts) {
            let text = line[start..].trim_start();
            // An address in numbers, or a pattern.
            let text = match text.strip_prefix('/').and_then(|rest| rest.split_once('/')) {
                Some((_, rest)) => rest,
                None => text,
            };
            let text = text.trim_start_matches(|c: char| c.is_ascii_digit() || "$,~!+ ".contains(c));
            found.extend(text.strip_prefix("e ").map(str::to_owned));
        }
    }
    found
}

/// Commands in settings that `git` is given (`-c core.sshCommand=…`, `-c alias.x=!…`).
fn git_commands(words: &[Word]) -> Vec<String> {
    let given = words.windows(2).filter(|pair| pair[0].text == "-c");
    let settings = given.filter_map(|pair| pair[1].text.split_once('='));
    let command = |(name, value): (&str, &str)| {
        let runs = matches!(
            name.to_ascii_lowercase().as_str(),
            "core.sshcommand" | "core.editor" | "core.pager" | "sequence.editor" | "diff.external"
        );
        value.strip_prefix('!').or_else(|| runs.then_some(value)).map(str::to_owned)
    };
    settings.filter_map(command).collect()
}
