//! `marchproxy check`.

use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

use marchproxy_conf::{Loaded, Place, Problem, Refused, Severity, report};
use marchproxy_decide::snapshot::compile;
use serde_json::{Value, json};

use super::online::{self, Finding, Level};
use super::{DONE, FAILED, WRONG};
use crate::file::{self, LARGEST_PAGE};

/// What is only found by compiling, and stands on its own when other things are wrong too.
const INDEPENDENT: [&str; 3] = ["route-conflict", "unreachable-route", "error-page"];

/// What a check found.
pub(super) struct Report {
    loaded: Result<Loaded, Refused>,
    findings: Vec<Finding>,
}

/// Checks the configuration at `path`, and when it may be served and `online` is wanted, also what
/// it speaks of.
pub(super) fn check(path: &Path, online: bool) -> Report {
    let loaded = load(path);
    let findings = match &loaded {
        Ok(loaded) if online => online::look(&loaded.config),
        _ => Vec::new(),
    };
    Report { loaded, findings }
}

/// Loads a configuration and compiles it, so that nothing is left that a start would refuse but
/// what [`online`] looks at.
///
/// # Errors
/// Everything that is wrong with it.
pub(super) fn load(path: &Path) -> Result<Loaded, Refused> {
    match marchproxy_conf::load(path) {
        Ok(loaded) => {
            match compile(&loaded.config, 0, "", &mut |path| file::read(path, LARGEST_PAGE)) {
                Ok(_) => Ok(loaded),
                Err(problems) => Err(Refused {
                    problems: [loaded.warnings, problems].concat(),
                    sources: loaded.sources,
                    config: Some(Box::new(loaded.config)),
                }),
            }
        }
        Err(mut refused) => {
            if let Some(config) = &refused.config
                && let Err(problems) =
                    compile(config, 0, "", &mut |path| file::read(path, LARGEST_PAGE))
            {
                let more: Vec<Problem> = problems
                    .into_iter()
                    .filter(|problem| stands_alone(problem, &refused.problems))
                    .collect();
                refused.problems.extend(more);
            }
            Err(refused)
        }
    }
}

/// Whether a problem would still be there when those that are known were mended.
fn stands_alone(problem: &Problem, known: &[Problem]) -> bool {
    let others = problem.notes.iter().filter_map(|(_, place)| place.as_ref());
    let mut places = others.chain([&problem.place]);
    INDEPENDENT.contains(&problem.code)
        && places.all(|place| !known.iter().any(|known| overlap(place, known)))
}

fn overlap(place: &Place, known: &Problem) -> bool {
    let (one, mut other) = (place.steps(), known.place.steps());
    let is_meant_for_match =
        known.label.as_ref().is_some_and(|label| label == "did you mean `match`?");
    if is_meant_for_match {
        // What the route matches is not what it seems.
        other = other.split_last().map_or(other, |(_, parent)| parent);
    }
    // The root stands for text that belongs nowhere.
    !one.is_empty() && !other.is_empty() && (one.starts_with(other) || other.starts_with(one))
}

impl Report {
    /// Prints it: what is fine on standard output, what is not on standard error; as JSON, all of it
    /// on standard output.
    pub(super) fn tell(&self, json: bool) -> ExitCode {
        if json {
            return super::print(&format!("{:#}\n", self.to_json()), self.code());
        }
        match &self.loaded {
            Err(refused) => {
                super::complain(&report::render(&refused.problems, &refused.sources));
                ExitCode::from(WRONG)
            }
            Ok(loaded) => self.tell_loaded(loaded),
        }
    }

    fn tell_loaded(&self, loaded: &Loaded) -> ExitCode {
        let mut wrong = report::render_problems(&loaded.warnings, &loaded.sources);
        let mut fine = String::new();
        for finding in &self.findings {
            let to = if finding.level == Level::Fine { &mut fine } else { &mut wrong };
            let _ = writeln!(to, "{finding}");
        }
        match self.failures() {
            0 => fine.push_str(&summary(loaded, self.warnings())),
            failures => {
                let all = self.findings.len();
                let _ = writeln!(wrong, "failed: {failures} of {all} looked at do not work");
            }
        }
        super::complain(&wrong);
        super::print(&fine, self.code())
    }

    fn code(&self) -> u8 {
        match &self.loaded {
            Err(_) => WRONG,
            Ok(_) if self.failures() > 0 => FAILED,
            Ok(_) => DONE,
        }
    }

    fn failures(&self) -> usize {
        self.findings.iter().filter(|finding| finding.level == Level::Failed).count()
    }

    fn warnings(&self) -> usize {
        let problems = match &self.loaded {
            Ok(loaded) => &loaded.warnings,
            Err(refused) => &refused.problems,
        };
        let written = problems.iter().filter(|problem| problem.severity == Severity::Warning);
        let found = self.findings.iter().filter(|finding| finding.level == Level::Warning);
        written.count().saturating_add(found.count())
    }

    fn to_json(&self) -> Value {
        match &self.loaded {
            Err(refused) => json!({
                "ok": false,
                "problems": report::to_json(&refused.problems, &refused.sources),
            }),
            Ok(loaded) => json!({
                "ok": self.failures() == 0,
                "digest": loaded.digest.to_string(),
                "listeners": loaded.config.listeners.len(),
                "routes": loaded.config.routes.len(),
                "upstreams": loaded.config.upstreams.len(),
                "problems": report::to_json(&loaded.warnings, &loaded.sources),
                "online": self.findings.iter().map(Finding::to_json).collect::<Vec<Value>>(),
            }),
        }
    }
}

/// The one line of what may be served.
fn summary(loaded: &Loaded, warnings: usize) -> String {
    let config = &loaded.config;
    let counts = [
        count(config.listeners.len(), "listener"),
        count(config.routes.len(), "route"),
        count(config.upstreams.len(), "upstream"),
    ];
    let digest: String = loaded.digest.to_string().chars().take(12).collect();
    let but =
        if warnings > 0 { format!(" with {}", count(warnings, "warning")) } else { String::new() };
    format!("ok{but}: {} (digest {digest}…)\n", counts.join(", "))
}

fn count(number: usize, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{ending}")
}

#[cfg(test)]
mod tests;
