//! Which build counts, which one is tried, and what came of the last trial. Pure.
//!
//! ```text
//!             begin                 start (counts)             reached
//!   (current) ─────► (current, trial) ─────► (current, trial) ─────────► (trial is current, on probation)
//!                          │  returned, or started too often │                │ proven          │ started too often
//!                          └────────────► (current) ◄────────┘           (it is current)   (the one before is current)
//! ```
//!
//! Invariants: the build that counts changes only when another one has reached the controller, when that one does not
//! hold, or when the package was replaced; a trial ends after [`TRIAL_STARTS`] starts whatever interrupts it, and a
//! probation after [`PROBATION_STARTS`].

use fleetwright_proto::clock::Timestamp;
use serde::{Deserialize, Serialize};

/// How often a build on trial is started: the host may go down in the middle of a trial without the build's fault.
pub const TRIAL_STARTS: u32 = 3;

/// How often a build on probation is started after it ended unasked, before the one before it counts again.
pub const PROBATION_STARTS: u32 = 5;

/// Where builds lie beside the packaged one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Slot {
    A,
    B,
}

/// A build in a slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    pub slot: Slot,
    pub version: String,
    /// Of the file, in hexadecimal digits: one that was damaged is not started.
    pub sha256: String,
}

/// A build that is tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    pub build: Build,
    /// Who wished for it, in a form of the wisher's: it looks for its outcome by this.
    pub wish: String,
    pub starts: u32,
}

/// A build that counts and has not shown yet that it goes on running.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probation {
    /// Of the trial that it passed.
    pub wish: String,
    /// What counts again when it does not hold. None: the packaged build.
    pub before: Option<Build>,
    /// Starts, less those that ended because somebody asked for it.
    pub starts: u32,
}

/// What came of a trial, or of the probation after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    pub wish: String,
    pub version: String,
    pub verdict: Verdict,
    pub at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    Updated,
    /// The build before counts again.
    Returned {
        /// One line for people.
        why: String,
    },
}

/// All of it: one record, replaced whole.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UpdateState {
    /// What the packaged program was when a launcher wrote this: when the package is replaced, it counts again. Empty
    /// until a launcher has seen it.
    #[serde(default)]
    pub packaged: String,
    /// None when the packaged build counts.
    #[serde(default)]
    pub current: Option<Build>,
    #[serde(default)]
    pub trial: Option<Attempt>,
    /// Of the build that counts.
    #[serde(default)]
    pub probation: Option<Probation>,
    #[serde(default)]
    pub last: Option<Outcome>,
}

/// What the launcher is to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    Packaged,
    Current(Build),
    Trial(Attempt),
}

impl UpdateState {
    /// Where the next build may be written: never over the one that counts.
    #[must_use]
    pub fn free_slot(&self) -> Slot {
        match &self.current {
            Some(Build { slot: Slot::A, .. }) => Slot::B,
            _ => Slot::A,
        }
    }

    /// A build that lies in its slot is to be tried. One that waits to be tried already is forgotten for it.
    #[must_use]
    pub fn begun(mut self, build: Build, wish: &str) -> Self {
        self.trial = Some(Attempt { build, wish: wish.to_owned(), starts: 0 });
        self
    }

    /// What to start now, and the state in which it is started. `is_whole` says whether a build's file is as it was
    /// written.
    #[must_use]
    pub fn started(
        mut self,
        packaged: &str,
        is_whole: impl Fn(&Build) -> bool,
        now: Timestamp,
    ) -> (Self, Start) {
        if self.packaged.is_empty() {
            packaged.clone_into(&mut self.packaged);
        } else if self.packaged != packaged {
            packaged.clone_into(&mut self.packaged);
            (self.current, self.probation) = (None, None);
            self = self.returned("the package of the agent was replaced meanwhile", now);
        }
        if let Some(trial) = &mut self.trial {
            if !is_whole(&trial.build) {
                self = self.returned("its file is not as it was written", now);
            } else if trial.starts >= TRIAL_STARTS {
                let why = format!("it was started {TRIAL_STARTS} times and never reached the controller");
                self = self.returned(&why, now);
            } else {
                trial.starts += 1;
                let start = Start::Trial(trial.clone());
                return (self, start);
            }
        }
        let is_current_whole = self.current.as_ref().is_some_and(&is_whole);
        if let Some(probation) = &mut self.probation {
            if !is_current_whole {
                self = self.taken_back("its file is not as it was written", now);
            } else if probation.starts >= PROBATION_STARTS {
                let why = format!(
                    "it reached the controller, and then ended {PROBATION_STARTS} times before it had run for long"
                );
                self = self.taken_back(&why, now);
            } else {
                probation.starts += 1;
            }
        }
        self.current = self.current.take().filter(is_whole);
        let start = self.current.clone().map_or(Start::Packaged, Start::Current);
        (self, start)
    }

    /// The build on trial has reached the controller.
    #[must_use]
    pub fn reached(mut self, now: Timestamp) -> Self {
        if let Some(trial) = self.trial.take() {
            self.last = Some(Outcome {
                wish: trial.wish.clone(),
                version: trial.build.version.clone(),
                verdict: Verdict::Updated,
                at: now,
            });
            let before = self.current.replace(trial.build);
            self.probation = Some(Probation { wish: trial.wish, before, starts: 1 });
        }
        self
    }

    /// The build that counts has run for long.
    #[must_use]
    pub fn proven(mut self) -> Self {
        self.probation = None;
        self
    }

    /// The build that counts ended because it was asked to: that says nothing against it.
    #[must_use]
    pub fn ended_as_asked(mut self) -> Self {
        if let Some(probation) = &mut self.probation {
            probation.starts = probation.starts.saturating_sub(1);
        }
        self
    }

    /// The build before the one that counts counts again.
    fn taken_back(mut self, why: &str, now: Timestamp) -> Self {
        if let (Some(probation), Some(build)) = (self.probation.take(), self.current.take()) {
            let verdict = Verdict::Returned { why: why.to_owned() };
            self.last = Some(Outcome { wish: probation.wish, version: build.version, verdict, at: now });
            self.current = probation.before;
        }
        self
    }

    /// The trial is over, and everything is as before it.
    #[must_use]
    pub fn returned(mut self, why: &str, now: Timestamp) -> Self {
        if let Some(trial) = self.trial.take() {
            let verdict = Verdict::Returned { why: why.to_owned() };
            self.last = Some(Outcome { wish: trial.wish, version: trial.build.version, verdict, at: now });
        }
        self
    }

    /// What came of a wish, once that is known.
    #[must_use]
    pub fn outcome_of(&self, wish: &str) -> Option<&Outcome> {
        self.last.as_ref().filter(|outcome| outcome.wish == wish)
    }

    #[must_use]
    pub fn is_tried_for(&self, wish: &str) -> bool {
        self.trial.as_ref().is_some_and(|trial| trial.wish == wish)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_millis(0)
    }

    fn build(slot: Slot, version: &str) -> Build {
        Build { slot, version: version.to_owned(), sha256: "ab".to_owned() }
    }

    fn whole(_build: &Build) -> bool {
        true
    }

    fn tried() -> UpdateState {
        UpdateState::default().begun(build(Slot::A, "2"), "wish")
    }

    fn why(state: &UpdateState) -> &str {
        match &state.outcome_of("wish").expect("it has an outcome").verdict {
            Verdict::Returned { why } => why,
            Verdict::Updated => panic!("it was updated"),
        }
    }

    #[test]
    fn a_build_that_reaches_the_controller_counts() {
        let (state, start) = tried().started("1", whole, now());
        assert!(matches!(start, Start::Trial(Attempt { starts: 1, .. })), "{start:?}");
        let state = state.reached(now());
        assert_eq!(state.outcome_of("wish").unwrap().verdict, Verdict::Updated);
        assert_eq!(state.free_slot(), Slot::B);
        let state = state.proven();
        let (after, start) = state.clone().started("1", whole, now());
        assert_eq!((after, start), (state, Start::Current(build(Slot::A, "2"))));
    }

    #[test]
    fn one_that_ends_again_and_again_after_its_trial_is_taken_back() {
        let before = tried().started("1", whole, now()).0.reached(now()).proven();
        for old in [UpdateState::default(), before] {
            let slot = old.free_slot();
            let trial = old.clone().begun(build(slot, "3"), "wish").started("1", whole, now()).0;
            let mut state = trial.reached(now());
            for _ in 1..PROBATION_STARTS {
                let (next, start) = state.started("1", whole, now());
                assert_eq!(start, Start::Current(build(slot, "3")));
                state = next;
            }
            let (state, start) = state.started("1", whole, now());
            assert_eq!(start, old.current.clone().map_or(Start::Packaged, Start::Current));
            assert_eq!((&state.current, &state.probation), (&old.current, &None));
            assert!(why(&state).contains("ended 5 times"), "{state:?}");
        }
    }

    #[test]
    fn a_build_that_has_run_for_long_or_ends_as_asked_is_not_taken_back() {
        let counts = tried().started("1", whole, now()).0.reached(now());
        let (mut asked, mut proven) = (counts.clone(), counts.proven());
        for _ in 0..3 * PROBATION_STARTS {
            asked = asked.ended_as_asked().started("1", whole, now()).0;
            proven = proven.started("1", whole, now()).0;
        }
        for state in [asked, proven] {
            assert_eq!(state.started("1", whole, now()).1, Start::Current(build(Slot::A, "2")));
        }
    }

    #[test]
    fn a_build_on_probation_whose_file_is_damaged_gives_way_to_the_one_before() {
        let old = tried().started("1", whole, now()).0.reached(now()).proven();
        let state =
            old.clone().begun(build(Slot::B, "3"), "wish").started("1", whole, now()).0.reached(now());
        let (state, start) = state.started("1", |build| build.slot == Slot::A, now());
        assert_eq!((start, &state.current), (Start::Current(build(Slot::A, "2")), &old.current));
        assert!(why(&state).contains("not as it was written"));
    }

    #[test]
    fn one_that_does_not_leaves_everything_as_it_was() {
        let before = tried().started("1", whole, now()).0.reached(now()).proven();
        let (state, _) = before.clone().begun(build(Slot::B, "3"), "wish").started("1", whole, now());
        let state = state.returned("it ended", now());
        assert_eq!((why(&state), &state.current), ("it ended", &before.current));
        assert_eq!(state.started("1", whole, now()).1, Start::Current(build(Slot::A, "2")));
    }

    #[test]
    fn a_trial_that_is_always_interrupted_ends() {
        let mut state = tried();
        for _ in 0..TRIAL_STARTS {
            let (next, start) = state.started("1", whole, now());
            assert!(matches!(start, Start::Trial(_)), "{start:?}");
            state = next;
        }
        let (state, start) = state.started("1", whole, now());
        assert_eq!(start, Start::Packaged);
        assert!(why(&state).contains("3 times"), "{state:?}");
    }

    #[test]
    fn a_damaged_file_is_never_started() {
        let broken = |build: &Build| build.slot != Slot::A;
        let (state, start) = tried().started("1", broken, now());
        assert_eq!(start, Start::Packaged);
        assert!(why(&state).contains("not as it was written"));
        let current = tried().reached(now());
        assert_eq!(current.started("1", broken, now()).1, Start::Packaged);
    }

    #[test]
    fn a_package_that_was_replaced_counts_again() {
        let current = tried().started("1", whole, now()).0.reached(now());
        let (state, start) = current.clone().started("1.1", whole, now());
        assert_eq!((start, state.current), (Start::Packaged, None));
        let (state, start) = current.begun(build(Slot::B, "3"), "wish").started("1.1", whole, now());
        assert_eq!(
            (start, why(&state)),
            (Start::Packaged, "the package of the agent was replaced meanwhile")
        );
    }

    /// Whatever is lost between two records, the next start finds a build, and a build that never reaches the
    /// controller is never the one that counts.
    #[test]
    fn killed_after_every_record_it_ends_on_the_old_build_or_on_one_that_works() {
        for works in [true, false] {
            for killed_after in 0..8 {
                let (mut state, mut records, mut reached) = (tried(), 0, false);
                for _ in 0..20 {
                    let (next, start) = state.clone().started("1", whole, now());
                    state = next;
                    records += 1;
                    let Start::Trial(_) = start else {
                        break;
                    };
                    if records == killed_after {
                        continue;
                    }
                    reached = works;
                    state = if works { state.reached(now()) } else { state.returned("it ended", now()) };
                    records += 1;
                }
                let (state, start) = state.started("1", whole, now());
                let wanted = if reached { Start::Current(build(Slot::A, "2")) } else { Start::Packaged };
                assert_eq!(start, wanted, "works: {works}, killed after record {killed_after}");
                assert!(state.trial.is_none() && state.outcome_of("wish").is_some());
            }
        }
    }
}
