//! Of the settings.

use std::time::Duration;

use lamport_clock::{Config, ErrorKind, Nodes, Settings, parse_duration};
use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    #[test]
    fn a_duration_means_what_it_says(millis in 0..=86_400_000_u64) {
        let wanted = Duration::from_millis(millis);
        let texts = [
            format!("{millis}ms"),
            format!("{}.{:03}s", millis / 1_000, millis % 1_000),
            format!("{}.{:03}", millis / 1_000, millis % 1_000),
            format!("{}m", millis as f64 / 60_000.0),
        ];
        for text in texts {
            let parsed = parse_duration(&text).unwrap();
            // A float holds a day to far less than a nanosecond, and three factors add up.
            let off = parsed.abs_diff(wanted);
            prop_assert!(off < Duration::from_nanos(100), "{text} is {parsed:?}");
        }
    }

    #[test]
    fn a_duration_is_refused_or_at_most_a_day(text in "[0-9.]{0,6}(s|ms|m|h|)") {
        match parse_duration(&text) {
            Ok(duration) => prop_assert!(duration <= Duration::from_secs(86_400)),
            Err(error) => prop_assert_eq!(error.kind(), ErrorKind::InvalidArgument),
        }
    }

    #[test]
    fn one_s_own_node_comes_first_and_none_is_lost(
        hosts in vec(("[a-z][a-z0-9.-]{0,9}", 1..=u16::MAX), 1..8),
        own in any::<prop::sample::Index>(),
    ) {
        let named = |i: usize| format!("node-{i}");
        let map: Vec<String> = hosts
            .iter()
            .enumerate()
            .map(|(i, (host, port))| format!("{}={host}:{port}", named(i)))
            .collect();
        let nodes: Nodes = map.join(" , ").parse().unwrap();
        prop_assert_eq!(nodes.to_string().parse::<Nodes>().unwrap(), nodes.clone());

        let own = own.index(hosts.len());
        let addresses = nodes.own_first(&named(own)).unwrap();
        let mut order: Vec<usize> = (0..hosts.len()).filter(|i| *i != own).collect();
        order.insert(0, own);
        let expected: Vec<_> = order.into_iter().map(|i| hosts[i].clone()).collect();
        let found: Vec<_> = addresses
            .iter()
            .map(|address| (address.host().to_owned(), address.port()))
            .collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn an_argument_wins_over_a_variable(
        argument in proptest::option::of(1..1_000_u64),
        variable in proptest::option::of(1..1_000_u64),
    ) {
        let mut settings = Settings::from([("store", "memory:")]);
        if let Some(argument) = argument {
            settings.set("max_jump", argument);
        }
        let config = Config::resolve(&settings, &|name| {
            variable.filter(|_| name == "LAMPORT_MAX_JUMP").map(|number| number.to_string().into())
        });
        let wins = argument.or(variable).unwrap_or(lamport_clock::LocalClock::MAX_JUMP);
        prop_assert_eq!(config.unwrap().max_jump(), wins);
    }
}
