//! How many there are of what: the sizes that are explored.

/// One size of the model.
#[derive(Clone, Debug)]
pub(crate) struct Size {
    pub(crate) name: &'static str,
    pub(crate) processes: usize,
    /// Of each process.
    pub(crate) calls: usize,
    /// How many times a call may ask for.
    pub(crate) counts: &'static [u64],
    /// Replies that are never heard, whether or not the transaction took effect, or takes it later.
    pub(crate) losses: usize,
    pub(crate) crashes: usize,
    /// Local clocks that run ahead, and by how much.
    pub(crate) ticks: usize,
    pub(crate) tick: u64,
    /// Writes by a legacy writer, and where its local clock begins.
    pub(crate) legacy_writes: usize,
    pub(crate) legacy_local: u64,
    /// Deletions by an operator: each bit a key (record, base, taken, weights 0..).
    pub(crate) deletions: usize,
    pub(crate) deleted: &'static [u8],
    /// Backups of the store, and restores of the newest one.
    pub(crate) saves: usize,
    pub(crate) restores: usize,
    /// Whether a restore may go on at later revisions.
    pub(crate) bump: bool,
    pub(crate) repairs: usize,
    /// Calls of one process that may be under way at once.
    pub(crate) pipeline: usize,
    pub(crate) folds: bool,
    /// One take in so many folds in a crowd; 0: none does.
    pub(crate) crowd: u64,
    /// How many others make a crowd, in which nobody asks whether somebody wrote.
    pub(crate) others: u64,
    /// Whether a process that folds may call meanwhile.
    pub(crate) split: bool,
    /// Whether the clock is there from the beginning.
    pub(crate) created: bool,
}

impl Size {
    const fn of(name: &'static str, processes: usize, calls: usize) -> Size {
        Size {
            name,
            processes,
            calls,
            counts: &[1],
            losses: 0,
            crashes: 0,
            ticks: 0,
            tick: 3,
            legacy_writes: 0,
            legacy_local: 0,
            deletions: 0,
            deleted: &[],
            saves: 0,
            restores: 0,
            bump: false,
            repairs: 0,
            pipeline: 1,
            folds: true,
            crowd: 0,
            others: u64::MAX,
            split: false,
            created: true,
        }
    }

    pub(crate) fn is_faulty(&self) -> bool {
        self.losses + self.crashes + self.deletions + self.restores > 0
    }

    /// Nothing but updates happens: each takes one transaction.
    pub(crate) fn is_quiet(&self) -> bool {
        !self.is_faulty()
            && self.ticks == 0
            && self.legacy_writes == 0
            && self.crowd == 0
            && self.others == u64::MAX
            && self.created
            && !self.split
    }
}

const RECORD_BASE_TAKEN: &[u8] = &[1, 2, 3, 4, 5, 6, 7];
const ANY: &[u8] = &[
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26,
    27, 28, 29, 30, 31,
];

/// Half a minute in all.
#[rustfmt::skip]
#[allow(non_snake_case, reason = "a table")]
pub(crate) fn SMALL() -> Vec<Size> {
    let of = Size::of;
    vec![
        of("3x1", 3, 1),
        of("2x3", 2, 3),
        Size { created: false, ..of("2x2 from nothing", 2, 2) },
        Size { counts: &[1, 3], ..of("2x2 counts 1 3", 2, 2) },
        Size { counts: &[1, 4], ..of("3x1 counts 1 4", 3, 1) },
        Size { crowd: 1, counts: &[3], ..of("3x1 crowd folds counts 3", 3, 1) },
        Size { others: 1, ..of("2x2 bare takes", 2, 2) },
        Size { ticks: 1, ..of("3x1 ticks", 3, 1) },
        Size { losses: 2, created: false, ..of("2x1 two lost replies from nothing", 2, 1) },
        Size { crashes: 1, ..of("2x2 crash", 2, 2) },
        Size { deletions: 1, deleted: &[2, 4], created: false, ..of("3x1 deleted from nothing", 3, 1) },
        Size { deletions: 1, deleted: &[2, 4], legacy_writes: 1, created: false, ..of("2x1 deleted legacy", 2, 1) },
        Size { saves: 1, restores: 1, losses: 1, ..of("2x1 restored lost reply", 2, 1) },
        Size { saves: 2, restores: 2, repairs: 1, ..of("1x4 restored twice repair", 1, 4) },
        Size { pipeline: 2, crowd: 1, counts: &[3], ..of("1x3 two in flight crowd folds", 1, 3) },
        Size { pipeline: 2, saves: 1, restores: 1, repairs: 1, folds: false, ..of("1x3 two in flight restored repair", 1, 3) },
    ]
}

/// Some minutes in release mode: `make model`.
#[rustfmt::skip]
#[allow(non_snake_case, reason = "a table")]
pub(crate) fn LARGE() -> Vec<Size> {
    let of = Size::of;
    vec![
        of("3x2", 3, 2),
        Size { crowd: 2, ..of("3x2 crowd folds", 3, 2) },
        Size { crowd: 1, losses: 1, ..of("2x2 crowd folds lost reply", 2, 2) },
        Size { crowd: 1, counts: &[1, 4], ..of("2x2 crowd folds counts 1 4", 2, 2) },
        Size { others: 1, crowd: 2, counts: &[1, 3], ..of("2x2 bare takes crowd folds counts 1 3", 2, 2) },
        Size { others: 1, losses: 1, ..of("2x2 bare takes lost reply", 2, 2) },
        Size { others: 1, legacy_writes: 1, legacy_local: 4, ..of("2x2 bare takes legacy", 2, 2) },
        Size { others: 1, deletions: 1, deleted: &[2, 4, 6], repairs: 1, ..of("2x2 bare takes deleted repair", 2, 2) },
        Size { others: 1, saves: 1, restores: 1, repairs: 1, ..of("2x2 bare takes restored repair", 2, 2) },
        Size { others: 1, ticks: 1, ..of("2x2 bare takes tick", 2, 2) },
        Size { others: 1, pipeline: 2, ..of("1x3 bare takes two in flight", 1, 3) },
        Size { split: true, ..of("2x3 fold and update of one process", 2, 3) },
        Size { ticks: 2, ..of("2x2 ticks", 2, 2) },
        Size { ticks: 1, tick: 4, counts: &[1, 4], ..of("2x2 ticks counts 1 4", 2, 2) },
        Size { losses: 1, ..of("2x2 lost reply", 2, 2) },
        Size { losses: 1, crashes: 1, ticks: 1, created: false, ..of("2x1 lost reply crash tick", 2, 1) },
        Size { legacy_writes: 2, created: false, ..of("2x1 legacy", 2, 1) },
        Size { legacy_writes: 2, legacy_local: 5, created: false, ..of("2x1 legacy ahead", 2, 1) },
        Size { legacy_writes: 1, legacy_local: 4, ..of("2x2 legacy", 2, 2) },
        Size { legacy_writes: 1, legacy_local: 4, losses: 1, created: false, ..of("2x1 legacy lost reply", 2, 1) },
        Size { deletions: 1, deleted: ANY, counts: &[1, 2], created: false, ..of("2x2 deleted", 2, 2) },
        Size { deletions: 1, deleted: &[2, 4, 6, 8, 12], counts: &[1, 2], ..of("3x1 deleted", 3, 1) },
        Size { deletions: 1, deleted: &[8, 16, 24], counts: &[4], ..of("2x3 weight deleted", 2, 3) },
        Size { deletions: 1, deleted: RECORD_BASE_TAKEN, repairs: 1, created: false, ..of("2x2 deleted repair", 2, 2) },
        Size { saves: 1, restores: 1, ..of("2x2 restored", 2, 2) },
        Size { saves: 1, restores: 1, bump: true, ..of("2x2 restored bumped", 2, 2) },
        Size { saves: 1, restores: 1, repairs: 1, ..of("2x2 restored repair", 2, 2) },
        Size { pipeline: 2, ..of("2x2 two in flight", 2, 2) },
        Size { pipeline: 2, counts: &[1, 3], ticks: 1, ..of("1x3 two in flight counts tick", 1, 3) },
        Size { pipeline: 2, losses: 1, ..of("1x4 two in flight lost reply", 1, 4) },
        Size { pipeline: 2, counts: &[1, 3], saves: 1, restores: 1, folds: false, ..of("1x4 two in flight counts restored", 1, 4) },
    ]
}
