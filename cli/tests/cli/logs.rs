//! The logs of three processes in one folder, for the commands that read some.

use std::fs;

use super::command::{Ended, run};

/// Billing's wall clock is three seconds behind: by wall clock it charges before it was asked.
pub(crate) const API: &str = "\
2026-11-29T12:00:00.000Z asked billing 2@api <-
2026-11-29T12:00:00.010Z done 9@api <2@api <6@billing;at=8
";

pub(crate) const BILLING: &str = "\
2026-11-29T11:59:57.001Z charged 4@billing <2@api;at=3
  3 pounds
2026-11-29T11:59:57.002Z told the shop 5@billing <4@billing
";

pub(crate) const SHOP: &str = "\
2026-11-29T12:00:00.000Z opened 1@shop <-
2026-11-29T12:00:00.011Z sent 8@shop <1@shop <6@billing;at=7
";

pub(crate) struct Logs {
    folder: tempfile::TempDir,
}

impl Logs {
    pub(crate) fn new(files: &[(&str, &str)]) -> Logs {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        Logs { folder }
    }

    pub(crate) fn shop() -> Logs {
        Logs::new(&[
            ("api.log", API),
            ("billing.log", BILLING),
            ("shop.log", SHOP),
        ])
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// The command with these arguments and all files behind them.
    pub(crate) fn arguments<'a>(&self, arguments: &[&'a str], names: &[&str]) -> Vec<String> {
        let files = names.iter().map(|name| self.path(name));
        arguments
            .iter()
            .map(|&argument: &&'a str| argument.to_owned())
            .chain(files)
            .collect()
    }
}

pub(crate) const ALL: [&str; 3] = ["api.log", "billing.log", "shop.log"];

pub(crate) fn run_all(arguments: &[String]) -> Ended {
    run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}
