//! The known faults of etcd's versions, as advice for people. SECURITY.md names the sources.

use lamport_clock::Server;

/// A fault of etcd 3, and the first release of each minor version without it. The minor versions
/// after the last one listed never had it.
struct Fault {
    /// The first minor version that has it.
    since: u32,
    fixed: &'static [(u32, u32)],
    /// Whether it only matters if the clock logs in as one of etcd's users.
    users: bool,
    what: &'static str,
}

const FAULTS: [Fault; 5] = [
    Fault {
        since: 5,
        fixed: &[(5, 3)],
        users: false,
        what: "members can come to differ when one is killed under load, and times repeat (etcd \
               issue 13766)",
    },
    Fault {
        since: 0,
        fixed: &[(5, 5)],
        users: false,
        what: "a cluster of one member can lose acknowledged updates in a crash, and times repeat \
               (etcd issue 14370)",
    },
    Fault {
        since: 5,
        fixed: &[(5, 7)],
        users: false,
        what: "a read-only transaction of another client can crash a member (etcd issue 14110)",
    },
    Fault {
        since: 0,
        fixed: &[(5, 28), (6, 9)],
        users: false,
        what: "a read, not an update, can be stale after a member was paused (etcd issue 20418)",
    },
    Fault {
        since: 0,
        fixed: &[(5, 33), (6, 14), (7, 1)],
        users: true,
        what: "users can get past their roles (GHSA-rfx7-8w68-q57q, GHSA-xg4h-6gfc-h4m8)",
    },
];

const OLDEST_MENDED_MINOR: u32 = 5;

/// The known faults of a server's version. If there are any, the last item names the version to move to.
/// A text that is no version of etcd 3 has no known faults.
pub(crate) fn known(server: &Server) -> Vec<String> {
    faults_of(&server.version, server.as_user)
}

fn faults_of(version: &str, users: bool) -> Vec<String> {
    let Some((minor, patch)) = parse(version) else {
        return Vec::new();
    };
    let has = |fault: &&Fault| match fault.fixed.iter().find(|(of, _)| *of == minor) {
        Some((_, fixed)) => patch < *fixed,
        None => fault.fixed.iter().all(|(of, _)| *of > minor) && minor >= fault.since,
    };
    let concerns = |fault: &&Fault| users || !fault.users;
    let mut known: Vec<String> = FAULTS
        .iter()
        .filter(has)
        .filter(concerns)
        .map(|fault| fault.what.to_owned())
        .collect();
    if minor < OLDEST_MENDED_MINOR {
        known.push("versions before 3.5 get no fixes any more (etcd issue 22015)".to_owned());
    }
    if !known.is_empty() {
        let (minor, patch) = mended(minor);
        known.push(format!(
            "move to 3.{minor}.{patch} or later, one member after the other"
        ));
    }
    known
}

/// The first release without any of the faults: of the same minor version, or of the oldest that
/// still gets fixes.
fn mended(minor: u32) -> (u32, u32) {
    let minor = minor.max(OLDEST_MENDED_MINOR);
    let fixes = FAULTS.iter().flat_map(|fault| fault.fixed);
    let patches = fixes.filter(|(of, _)| *of == minor).map(|(_, patch)| patch);
    (minor, patches.copied().max().unwrap_or(0))
}

/// Minor version and patch of etcd 3. A pre-release counts as the previous patch, and has its faults.
fn parse(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.strip_prefix("3.")?.splitn(2, '.');
    let minor = numbers.next()?.parse().ok()?;
    let patch = numbers.next().unwrap_or("0");
    let digits = patch.find(|c: char| !c.is_ascii_digit());
    let (patch, rest) = patch.split_at(digits.unwrap_or(patch.len()));
    let patch: u32 = patch.parse().ok()?;
    let before_the_release = rest.starts_with('-');
    Some((minor, patch.saturating_sub(before_the_release.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The faults of a version, each given by one word of its text.
    fn faults(version: &str, users: bool) -> Vec<&'static str> {
        let words = ["13766", "14370", "14110", "20418", "GHSA", "22015"];
        let known = faults_of(version, users).join("; ");
        words.into_iter().filter(|w| known.contains(w)).collect()
    }

    #[test]
    fn each_version_has_the_faults_that_it_has() {
        for (version, known) in [
            ("3.4.44", &["14370", "20418", "GHSA", "22015"][..]),
            ("3.5.0", &["13766", "14370", "14110", "20418", "GHSA"]),
            ("3.5.2", &["13766", "14370", "14110", "20418", "GHSA"]),
            ("3.5.3", &["14370", "14110", "20418", "GHSA"]),
            ("3.5.4", &["14370", "14110", "20418", "GHSA"]),
            ("3.5.5", &["14110", "20418", "GHSA"]),
            ("3.5.6", &["14110", "20418", "GHSA"]),
            ("3.5.7", &["20418", "GHSA"]),
            ("3.5.27", &["20418", "GHSA"]),
            ("3.5.28", &["GHSA"]),
            ("3.5.28-rc.0", &["20418", "GHSA"]),
            ("3.5.32+vendor", &["GHSA"]),
            ("3.5.33", &[]),
            ("3.5.100", &[]),
            ("3.6.0-rc.1", &["20418", "GHSA"]),
            ("3.6.8", &["20418", "GHSA"]),
            ("3.6.9", &["GHSA"]),
            ("3.6.13", &["GHSA"]),
            ("3.6.14", &[]),
            ("3.7.0", &["GHSA"]),
            ("3.7.1", &[]),
            ("3.8.0", &[]),
        ] {
            assert_eq!(faults(version, true), known, "{version}");
            let without: Vec<_> = known.iter().filter(|f| **f != "GHSA").copied().collect();
            assert_eq!(faults(version, false), without, "{version}");
        }
    }

    #[test]
    fn faults_end_with_the_version_to_move_to_and_the_script_names_the_same() {
        let script = include_str!("../../scripts/start_etcd.sh");
        for (version, to) in [
            ("3.4.23", "3.5.33"),
            ("3.5.6", "3.5.33"),
            ("3.6.8", "3.6.14"),
            ("3.7.0", "3.7.1"),
        ] {
            let known = faults_of(version, true);
            let last = known.last().unwrap();
            assert!(
                last.starts_with(&format!("move to {to} or later")),
                "{last}"
            );
            assert!(script.contains(&format!(" mended={to} ;;")), "{to}");
            assert!(faults_of(to, true).is_empty(), "{to}");
        }
    }

    #[test]
    fn of_what_is_no_version_nothing_is_known() {
        for version in [
            "",
            "3",
            "3.",
            "3.x",
            "3.5.x",
            "4.0.0",
            "v3.5.1",
            "3.5.",
            "3.5.99999999999",
        ] {
            assert!(faults_of(version, true).is_empty(), "{version}");
        }
    }

    #[test]
    fn the_documented_table_names_the_same_releases_and_sources() {
        let document = include_str!("../../SECURITY.md");
        for fault in &FAULTS {
            let releases: Vec<_> = fault
                .fixed
                .iter()
                .map(|(m, p)| format!("3.{m}.{p}"))
                .collect();
            let row = document
                .lines()
                .find(|line| line.starts_with(&format!("| {}", releases.join(", "))));
            let row = row.unwrap_or_else(|| panic!("SECURITY.md has no row for {releases:?}"));
            let source = fault
                .what
                .rsplit(['(', ' ', ','])
                .next()
                .unwrap()
                .trim_end_matches(')');
            assert!(row.contains(source), "{source}: {row}");
        }
    }
}
