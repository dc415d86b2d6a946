//! The examples in the help of each command. A test checks that each example parses.

/// The commands, each with an example or two.
#[rustfmt::skip]
pub(super) const ALL: &[(&str, &[&str])] = &[
    ("run", &[
        "lamport run --store etcd://10.0.0.5",
        "lamport run --store memory: --interval 500ms --count 3",
    ]),
    ("update", &[
        "lamport update --store etcd://10.0.0.5,10.0.0.6,10.0.0.7",
        "lamport update --store memory: -n 3",
    ]),
    ("read", &["lamport read --store etcd://10.0.0.5"]),
    ("watch", &[
        "lamport watch --store etcd://10.0.0.5",
        "lamport watch --store etcd://10.0.0.5 --from 1 --json > log.jsonl",
    ]),
    ("history", &["lamport history --store etcd://10.0.0.5 --limit 5"]),
    ("nodes", &[
        "lamport nodes --store etcd://10.0.0.5,10.0.0.6,10.0.0.7",
        "lamport nodes --nodes a=10.0.0.5,b=10.0.0.6",
    ]),
    ("repair", &[
        "lamport repair --store etcd://10.0.0.5",
        "lamport repair --store etcd://10.0.0.5 --at-least 1200",
    ]),
    ("demo", &[
        "lamport demo",
        "lamport demo --diagram demo.html",
        "lamport demo --store etcd --stay",
    ]),
    ("check", &[
        "lamport check run.jsonl",
        "lamport check a.jsonl b.jsonl --log log.jsonl",
    ]),
    ("order", &[
        "docker compose logs | lamport order -",
        "lamport order api.log shop.log",
    ]),
    ("explain", &[
        "lamport explain 2@api 9@shop api.log shop.log billing.log",
        "lamport explain --causes 9@shop api.log shop.log",
    ]),
    ("diagram", &[
        "docker compose logs | lamport diagram - -o shop.html",
        "lamport diagram --text api.log shop.log",
    ]),
    ("export", &["lamport export --to shiviz api.log shop.log > run.shiviz"]),
    ("diff", &["lamport diff good/api.log,good/shop.log bad/api.log,bad/shop.log"]),
    ("top", &["lamport top --store etcd://10.0.0.5"]),
    ("ready", &["lamport run --metrics 9464 & lamport ready 9464"]),
    ("completions", &[
        "lamport completions bash > ~/.local/share/bash-completion/completions/lamport",
        "lamport completions zsh > ~/.zfunc/_lamport",
        "lamport completions fish > ~/.config/fish/completions/lamport.fish",
    ]),
    ("man", &[
        "lamport man | man -l -",
        "lamport man run | man -l -",
    ]),
];
