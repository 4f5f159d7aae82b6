//! What this process counts of its own work. Counters only grow and decide nothing; they start at nothing with the
//! process. Which of them are shown, and under what names, is `metrics`' business.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use fleetwright_proto::clock::Timestamp;

use crate::commands::state::State;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, many: u64) {
        self.0.fetch_add(many, Ordering::Relaxed);
    }

    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How many there are now: each holds its place for as long as it is there.
#[derive(Debug, Default)]
pub struct Present(AtomicU64);

/// Dropping it gives the place back.
#[derive(Debug)]
pub struct Place<'a>(&'a Present);

impl Present {
    pub fn enter(&self) -> Place<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Place(self)
    }

    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A closed set of words that a counter is split by.
pub trait Word: Copy + 'static {
    const ALL: &'static [Self];
    fn name(self) -> &'static str;
    fn place(self) -> usize;
}

macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($word:ident => $text:literal),+ $(,)? }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($word),+ }

        impl Word for $name {
            const ALL: &'static [Self] = &[$(Self::$word),+];

            fn name(self) -> &'static str {
                match self { $(Self::$word => $text),+ }
            }

            fn place(self) -> usize {
                self as usize
            }
        }
    };
}

words! {
    /// Why a node's stream ended.
    StreamEnd {
        Gone => "gone",
        Silent => "silent",
        Replaced => "replaced",
        Deregistered => "deregistered",
        Stopping => "stopping",
        Refused => "refused",
    }
}

words! {
    /// How a TLS handshake ended.
    HandshakeEnd { Done => "done", Failed => "failed", TooSlow => "too_slow" }
}

words! {
    /// Why a connection was closed as soon as it came.
    TurnedAway {
        Full => "connections_full",
        AnonymousFull => "anonymous_full",
        SourceFull => "source_full",
    }
}

words! {
    /// What was refused because the controller has no room for it.
    NewWork {
        Command => "command",
        Activation => "activation",
        Enrolment => "enrolment",
        Parameter => "parameter",
    }
}

words! {
    /// What policies of parameters brought about.
    PolicyEvent { Expired => "expired", Notified => "notified" }
}

words! {
    /// The final states of an invocation.
    Ended { Success => "Success", Failed => "Failed", TimedOut => "TimedOut", Cancelled => "Cancelled" }
}

impl Ended {
    /// None for a state that is not final.
    #[must_use]
    pub fn of(state: State) -> Option<Self> {
        match state {
            State::Success => Some(Self::Success),
            State::Failed => Some(Self::Failed),
            State::TimedOut => Some(Self::TimedOut),
            State::Cancelled => Some(Self::Cancelled),
            State::Pending | State::Delayed | State::InProgress | State::Cancelling => None,
        }
    }
}

/// A counter for each word.
#[derive(Debug)]
pub struct Counters<W>(Vec<Counter>, PhantomData<W>);

impl<W: Word> Default for Counters<W> {
    fn default() -> Self {
        Self(W::ALL.iter().map(|_| Counter::default()).collect(), PhantomData)
    }
}

impl<W: Word> Counters<W> {
    pub fn add(&self, word: W) {
        self.0[word.place()].add(1);
    }

    #[must_use]
    pub fn get(&self, word: W) -> u64 {
        self.0[word.place()].get()
    }
}

/// Everything that is counted.
#[derive(Debug, Default)]
pub struct Meters {
    pub streams_opened: Counter,
    pub streams_ended: Counters<StreamEnd>,
    /// Sessions that wait for their node to read.
    pub streams_blocked: Present,
    pub handshakes: Counters<HandshakeEnd>,
    pub turned_away: Counters<TurnedAway>,
    pub refused_work: Counters<NewWork>,
    pub parameter_policies: Counters<PolicyEvent>,
    pub deliveries: Counter,
    pub reports: Counter,
    pub output_bytes: Counter,
    pub invocations_ended: Counters<Ended>,
    pub reconciler_runs: Counter,
    pub reconciler_failures: Counter,
    /// Whether the last run of the reconciler failed.
    pub reconciler_stuck: AtomicBool,
    /// When the certificate that the listener shows expires, in milliseconds; 0 before there is one.
    certificate_expires: AtomicI64,
}

impl Meters {
    pub fn reconciled(&self, failed: bool) {
        self.reconciler_runs.add(1);
        self.reconciler_failures.add(u64::from(failed));
        self.reconciler_stuck.store(failed, Ordering::Relaxed);
    }

    pub fn certificate_expires_at(&self, moment: Timestamp) {
        self.certificate_expires.store(moment.millis(), Ordering::Relaxed);
    }

    #[must_use]
    pub fn certificate_expires(&self) -> Timestamp {
        Timestamp::from_millis(self.certificate_expires.load(Ordering::Relaxed))
    }
}
